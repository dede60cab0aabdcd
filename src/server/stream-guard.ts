import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../lib/clock.js";

/** Ends one stream when its caller's token has expired, when it no longer holds, or when a message breaks a rule. */
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
  /** Aborts when the call is over; lets go of the timers. */
  readonly callSignal: AbortSignal;
  /** When the stream has to end, in milliseconds since the epoch. */
  readonly endsAtMs: number;
  /** Gives the error to answer when the token has expired. */
  readonly createExpiredError: () => Error;
  /** When to tell that the end is near, in milliseconds since the epoch, and whom; undefined: nobody. */
  readonly warning: { readonly atMs: number; readonly tell: () => void } | undefined;
  /**
   * Waits from one check to the next, in milliseconds, and the check itself: what it rejects with ends the stream. Does
   * not begin before the one before has ended.
   */
  readonly recheck: { readonly nextMs: () => number; readonly run: (signal: AbortSignal) => Promise<void> };
  readonly clock: Clock;
}

/** Creates the guard of one stream. Holds timers until the call is over, which keep no process alive. */
export function createStreamGuard(options: StreamGuardOptions): StreamGuard {
  const { callSignal, endsAtMs, createExpiredError, warning, recheck, clock } = options;
  const handler = new AbortController();
  const ending = new AbortController();
  const timers = new Set<Disposable>();
  let over = false;
  const stopTimers = (): void => {
    over = true;
    for (const timer of timers) timer[Symbol.dispose]();
    timers.clear();
  };
  const runIn = (delayMs: number, work: () => void): void => {
    const timer = clock.setTimer(
      () => {
        timers.delete(timer);
        work();
      },
      Math.max(0, delayMs),
    );
    timers.add(timer);
  };
  const end = (error: unknown): void => {
    stopTimers();
    ending.abort(error);
    handler.abort(ending.signal.reason);
  };
  const scheduleRecheck = (): void => {
    const delayMs = recheck.nextMs();
    // Nothing to find out any more: the stream ends before.
    if (clock.nowMs() + delayMs >= endsAtMs) return;
    runIn(delayMs, () => {
      recheck.run(handler.signal).then(
        () => {
          if (!over) scheduleRecheck();
        },
        (error: unknown) => {
          if (!over) end(error);
        },
      );
    });
  };
  // A call that is aborted may go on: its handler finishes its work when the server shuts down. The timers go, lest broken
  // streams pile up; each message is still held against the end of the token.
  const onCallOver = (): void => {
    // Its caller would otherwise have a stream that nothing ends any more, by asking for little time.
    if (isDeadline(callSignal.reason)) end(callSignal.reason);
    stopTimers();
    handler.abort(callSignal.reason);
  };
  if (callSignal.aborted) {
    onCallOver();
  } else {
    callSignal.addEventListener("abort", onCallOver, { once: true });
    const nowMs = clock.nowMs();
    runIn(endsAtMs - nowMs, () => end(createExpiredError()));
    if (warning !== undefined) runIn(warning.atMs - nowMs, warning.tell);
    scheduleRecheck();
  }
  return {
    signal: handler.signal,
    ended: ending.signal,
    end,
    assertOpen() {
      if (!ending.signal.aborted && clock.nowMs() >= endsAtMs) end(createExpiredError());
      ending.signal.throwIfAborted();
    },
  };
}

/** Connect aborts a call with this when its time is up, and leaves it to the handler to do something about it. */
function isDeadline(reason: unknown): boolean {
  return reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
}
