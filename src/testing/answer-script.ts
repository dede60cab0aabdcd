import type { TestIssuerFault, TestIssuerResponse } from "./issuer-answer.js";

/** What a served test issuer publishes. */
export type TestIssuerEndpoint = "jwks" | "openid-configuration" | "oauth-authorization-server";

/** An answer that is kept back. */
export interface HeldAnswer extends Disposable {
  /** Resolves when the request is there whose answer is kept back. */
  readonly reached: Promise<void>;
  /** Lets the answer go on. */
  release(): void;
  /** Does the same. */
  [Symbol.dispose](): void;
}

/** One entry of a script: what becomes of one request. */
export interface ScriptedAnswer {
  /** What the answer is; undefined: a good one. */
  readonly answer?: TestIssuerFault | TestIssuerResponse;
  /** Which requests it is for. */
  readonly endpoint?: TestIssuerEndpoint | undefined;
  /** Where it stops, and until when. */
  readonly hold?: { readonly at: "headers" | "body"; readonly reach: () => void; readonly released: Promise<void> };
}

/** What becomes of the next requests, in order. */
export interface AnswerScript {
  /** Adds an entry at the end. */
  add(entry: ScriptedAnswer): void;
  /** Adds an entry that keeps an answer back. */
  hold(at: "headers" | "body", endpoint: TestIssuerEndpoint | undefined): HeldAnswer;
  /** Takes out the first entry that is for a request; undefined when there is none. */
  take(endpoint: TestIssuerEndpoint): ScriptedAnswer | undefined;
  /** Lets every answer go on that is kept back. */
  releaseAll(): void;
}

/** Creates a script without entries. */
export function createAnswerScript(): AnswerScript {
  const entries: ScriptedAnswer[] = [];
  const holds = new Set<() => void>();
  return {
    add: (entry) => void entries.push(entry),
    hold(at, endpoint) {
      const reached = Promise.withResolvers<void>();
      const released = Promise.withResolvers<void>();
      holds.add(released.resolve);
      entries.push({ endpoint, hold: { at, reach: reached.resolve, released: released.promise } });
      return { reached: reached.promise, release: released.resolve, [Symbol.dispose]: released.resolve };
    },
    take(endpoint) {
      const index = entries.findIndex((entry) => entry.endpoint === undefined || entry.endpoint === endpoint);
      return index === -1 ? undefined : entries.splice(index, 1)[0];
    },
    releaseAll() {
      for (const release of holds) release();
    },
  };
}
