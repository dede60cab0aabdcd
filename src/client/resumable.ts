import { Code, ConnectError } from "@connectrpc/connect";
import { abortableIterable } from "../lib/async-iterable.js";
import { attend } from "../lib/attendance.js";
import { type Clock, systemClock } from "../lib/clock.js";
import {
  assertBoolean,
  assertFields,
  assertFunction,
  assertPositiveInteger,
  withoutUndefined,
} from "../lib/options.js";
import { pause } from "../lib/pause.js";
import { readRetryDelayMs } from "./explain-auth-error.js";
import { isTokenExpired } from "./refusal.js";

/** Options of {@link resumable}. */
export interface ResumableOptions<T, C> {
  /**
   * Gives what a stream opened after this message has to go on from; undefined for a message that changes nothing about
   * it, such as a heartbeat. Called once per message, before the message is given out.
   */
  readonly cursor: (message: T) => C | undefined;
  /** Whether a stream that ends in order is opened again too, as one that has no end of its own is. @defaultValue `false` */
  readonly reopenAtEnd?: boolean;
  /** Tells after which other errors the stream is opened again, such as `unavailable`. @defaultValue none */
  readonly isTransient?: (error: unknown) => boolean;
  /** How many streams in a row may fail or end without getting anywhere. @defaultValue `8` */
  readonly maxFailures?: number;
  /** Ends everything. @defaultValue no end */
  readonly signal?: AbortSignal;
  /** Time of streams and waits. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

const DEFAULTS = { reopenAtEnd: false, maxFailures: 8 } satisfies Partial<ResumableOptions<unknown, unknown>>;

/** When a stream is opened again. */
const REOPENING = {
  /** A stream that ends sooner did not end of age: the next one waits. */
  shortStreamMs: 1_000,
  /** Wait after the first failure; doubled with each further one. */
  firstDelayMs: 250,
  /** Never longer than this, unless the server asks for more. */
  longestDelayMs: 10_000,
} as const;

/**
 * Keeps a server stream going beyond the life of one token: when it ends because its token expired, it is opened again
 * and goes on after the last message that was given out.
 *
 * `open` is called for each stream, with the cursor of the last message (undefined for the first stream) and a signal
 * that ends the call; pass both on. If the server honours the cursor, no message is lost and none comes twice. With
 * `bearerAuth` on the transport each stream carries a token that is valid when it opens.
 *
 * A stream that was open for a second or longer is followed by the next one at once. After a shorter one there is a wait
 * of 125 to 250 ms, doubling up to 10 seconds, or as long as the server asks for; the count starts again with each
 * message. After `maxFailures` in a row the iteration fails with the last error. Errors other than expiry go to the
 * consumer at once, unless `isTransient` says that they may pass.
 *
 * Leaving the loop ends the call under way, and so does `signal`. Each iteration starts from the beginning. A wait before
 * the next stream keeps the process alive, for the consumer waits too.
 *
 * The iteration rejects with the `ConnectError` of the stream; with `canceled` when `signal` aborts; with `unavailable`
 * when streams end again and again in order (`reopenAtEnd`); with what `cursor`, `isTransient` or `open` throws.
 *
 * @example
 * ```ts
 * import { resumable } from "latchkey/client";
 *
 * interface Entry {
 *   readonly sequence: bigint;
 *   readonly text: string;
 * }
 * declare function tail(after: bigint, options: { signal: AbortSignal }): AsyncIterable<Entry>;
 *
 * const entries = resumable((after: bigint | undefined, signal) => tail(after ?? 0n, { signal }), {
 *   cursor: ({ sequence }) => sequence,
 * });
 * for await (const { text } of entries) console.log(text);
 * ```
 *
 * @param open - Opens a stream: one call of a method.
 * @param options - The cursor, and what else ends or repeats streams.
 * @returns The messages of all the streams, in order.
 * @throws TypeError if `open`, `cursor` or `isTransient` is no function, or an option is unknown.
 * @throws RangeError if `maxFailures` is not a positive integer.
 */
export function resumable<T, C>(
  open: (cursor: C | undefined, signal: AbortSignal) => AsyncIterable<T>,
  options: ResumableOptions<T, C>,
): AsyncIterable<T> {
  assertFunction("open", open);
  assertFields<ResumableOptions<T, C>>("options", options, {
    cursor: 0,
    reopenAtEnd: 0,
    isTransient: 0,
    maxFailures: 0,
    signal: 0,
    clock: 0,
  });
  const { reopenAtEnd, maxFailures } = { ...DEFAULTS, ...withoutUndefined(options) };
  const { cursor, isTransient = () => false, clock = systemClock, signal } = options;
  assertFunction("cursor", cursor);
  assertFunction("isTransient", isTransient);
  assertBoolean("reopenAtEnd", reopenAtEnd);
  assertPositiveInteger("maxFailures", maxFailures);
  const settings = { open, cursor, isTransient, reopenAtEnd, maxFailures, clock };
  return {
    [Symbol.asyncIterator]() {
      const ended = new AbortController();
      const steps = follow(settings, ended, signal);
      return {
        next: () => steps.next(),
        return() {
          // First, for a generator finishes only after the step under way, which may wait for a message for ever.
          ended.abort();
          return steps.return();
        },
      };
    },
  };
}

interface Settings<T, C> extends Required<Omit<ResumableOptions<T, C>, "signal">> {
  readonly open: (cursor: C | undefined, signal: AbortSignal) => AsyncIterable<T>;
}

async function* follow<T, C>(
  settings: Settings<T, C>,
  ended: AbortController,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, undefined> {
  const unlink = link(signal, (reason) => ended.abort(reason));
  try {
    let cursor: C | undefined;
    let failures = 0;
    for (;;) {
      const openedAtMs = settings.clock.monotonicMs();
      const stream = openStream(settings, cursor, ended.signal);
      let step: Step<T>;
      try {
        for (step = await stream.next(); step.kind === "message"; step = await stream.next()) {
          failures = 0;
          cursor = settings.cursor(step.message) ?? cursor;
          yield step.message;
        }
      } finally {
        stream.close();
      }
      const last = step;
      if (last.kind === "end" && !settings.reopenAtEnd) return;
      if (signal?.aborted) throw ConnectError.from(signal.reason, Code.Canceled);
      if (ended.signal.aborted) return;
      const ofAge = last.kind === "end" || isTokenExpired(last.error);
      if (!ofAge && !settings.isTransient(last.error)) throw last.error;
      if (ofAge && settings.clock.monotonicMs() - openedAtMs >= REOPENING.shortStreamMs) {
        failures = 0;
        continue;
      }
      const error = last.kind === "end" ? endedTooSoon() : last.error;
      if (failures >= settings.maxFailures) throw error;
      failures++;
      // After an abort the next stream fails at once, and that is told apart above.
      await attend(pause(delayMs(failures, error), settings.clock, ended.signal), settings.clock).catch(() => {});
    }
  } finally {
    unlink();
  }
}

/** What became of one step of a stream. */
type Step<T> =
  | { readonly kind: "message"; readonly message: T }
  | { readonly kind: "end" }
  | { readonly kind: "failure"; readonly error: unknown };

/** One stream, with a signal of its own: Connect's streams cannot be told to finish in any other way. */
function openStream<T, C>(
  { open }: Settings<T, C>,
  cursor: C | undefined,
  ended: AbortSignal,
): { next(): Promise<Step<T>>; close(): void } {
  const own = new AbortController();
  const unlink = link(ended, (reason) => own.abort(reason));
  let steps: AsyncIterator<T> | undefined;
  return {
    async next() {
      try {
        own.signal.throwIfAborted();
        steps ??= abortableIterable(open(cursor, own.signal), own.signal)[Symbol.asyncIterator]();
        const { done, value } = await steps.next();
        return done === true ? { kind: "end" } : { kind: "message", message: value };
      } catch (error) {
        return { kind: "failure", error };
      }
    },
    close() {
      unlink();
      own.abort();
    },
  };
}

/** Calls back when the signal aborts, at once when it has. Gives what takes the listener off again. */
function link(signal: AbortSignal | undefined, callback: (reason: unknown) => void): () => void {
  const listener = (): void => callback(signal?.reason);
  if (signal?.aborted) listener();
  else signal?.addEventListener("abort", listener, { once: true });
  return () => signal?.removeEventListener("abort", listener);
}

function delayMs(failures: number, error: unknown): number {
  const fullMs = Math.min(REOPENING.longestDelayMs, REOPENING.firstDelayMs * 2 ** (failures - 1));
  // Jitter: clients that lost the same server must not come back in step.
  const ownMs = fullMs * (0.5 + 0.5 * Math.random());
  return Math.max(ownMs, error instanceof ConnectError ? (readRetryDelayMs(error) ?? 0) : 0);
}

function endedTooSoon(): ConnectError {
  return new ConnectError("the stream ends again and again", Code.Unavailable);
}
