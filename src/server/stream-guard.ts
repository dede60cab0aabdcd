import type { Clock } from "../lib/clock.js";

/** Ends one stream when its caller's token has expired, or when a message breaks a rule. */
export interface StreamGuard {
  /** For the handler: aborts when the call ends, for whatever reason. */
  readonly signal: AbortSignal;
  /** Aborts when the guard ends the stream, with the error to answer; never for another reason. */
  readonly ended: AbortSignal;
  /** Ends the stream. The first error counts. */
  end(error: unknown): void;
  /** Throws the error to answer once the stream is over, also when no timer has told so yet. */
  assertOpen(): void;
}

/** Options of {@link createStreamGuard}. */
export interface StreamGuardOptions {
  /** Aborts when the call is over; lets go of the timer. */
  readonly callSignal: AbortSignal;
  /** When the stream has to end, in milliseconds since the epoch; undefined when no token limits it. */
  readonly endsAtMs: number | undefined;
  /** Gives the error to answer when the token has expired. */
  readonly createExpiredError: () => Error;
  readonly clock: Clock;
}

/** Creates the guard of one stream. Holds a timer until the call is over, one that keeps no process alive. */
export function createStreamGuard(options: StreamGuardOptions): StreamGuard {
  const { callSignal, endsAtMs, createExpiredError, clock } = options;
  const handler = new AbortController();
  const ending = new AbortController();
  let timer: Disposable | undefined;
  const end = (error: unknown): void => {
    timer?.[Symbol.dispose]();
    ending.abort(error);
    handler.abort(ending.signal.reason);
  };
  if (endsAtMs !== undefined) {
    timer = clock.setTimer(() => end(createExpiredError()), Math.max(0, endsAtMs - clock.nowMs()));
  }
  // A call that is aborted may go on: its handler finishes its work when the server shuts down, and may overlook a
  // deadline of the peer's choice. The timer goes, lest broken streams pile up; each message is still checked.
  const onCallOver = (): void => {
    timer?.[Symbol.dispose]();
    handler.abort(callSignal.reason);
  };
  if (callSignal.aborted) onCallOver();
  else callSignal.addEventListener("abort", onCallOver, { once: true });
  return {
    signal: handler.signal,
    ended: ending.signal,
    end,
    assertOpen() {
      if (endsAtMs !== undefined && !ending.signal.aborted && clock.nowMs() >= endsAtMs) end(createExpiredError());
      ending.signal.throwIfAborted();
    },
  };
}
