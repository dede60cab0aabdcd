import { type Clock, systemClock } from "../../src/lib/clock.js";
import type { Token, TokenRequest, TokenSource } from "../../src/token/token.js";

/** How a {@link ScriptedSource} answers, unless a request is scripted otherwise. */
export interface ScriptedSourceOptions {
  readonly audienceBound?: boolean;
  readonly lifetimeMs?: number;
  readonly clock?: Clock;
}

/** A source that records what it was asked and answers as a test says. */
export interface ScriptedSource extends TokenSource {
  /** Every request so far, oldest first. */
  readonly requests: readonly TokenRequest[];
  /** Answers from now on: a token, a failure, or a promise of one. Absent: `token-1`, `token-2`, … */
  answer: ((request: TokenRequest) => Token | Promise<Token>) | undefined;
  /** The next token in the row. */
  nextToken(): Token;
}

/** Creates a source of the tokens `token-1`, `token-2`, … */
export function createScriptedSource(options: ScriptedSourceOptions = {}): ScriptedSource {
  const { clock = systemClock, lifetimeMs = 3_600_000, audienceBound } = options;
  const requests: TokenRequest[] = [];
  let serial = 0;
  const source: ScriptedSource = {
    requests,
    answer: undefined,
    nextToken: () => ({
      value: `token-${++serial}`,
      expiresAtMs: clock.nowMs() + lifetimeMs,
      issuedAtMs: clock.nowMs(),
    }),
    async getToken(request) {
      requests.push(request);
      return source.answer === undefined ? source.nextToken() : source.answer(request);
    },
    ...(audienceBound !== undefined && { audienceBound }),
  };
  return source;
}

/** A promise that a test settles by hand. */
export function createDeferred<T>(): {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
} {
  return Promise.withResolvers<T>();
}
