import type { Clock } from "./clock.js";

/**
 * Does work that has to end by a time.
 *
 * @param work - Gets a signal that aborts with `signal`, or at the deadline with what `late` gives.
 * @returns What the work gives; it settles when the work does.
 */
export async function withDeadline<T>(
  work: (signal: AbortSignal) => Promise<T>,
  deadline: {
    readonly timeoutMs: number;
    readonly late: () => Error;
    readonly clock: Clock;
    readonly signal: AbortSignal;
  },
): Promise<T> {
  const { timeoutMs, late, clock, signal } = deadline;
  signal.throwIfAborted();
  const own = new AbortController();
  const stop = (): void => own.abort(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  const timer = clock.setTimer(() => own.abort(late()), timeoutMs);
  try {
    return await work(own.signal);
  } finally {
    timer[Symbol.dispose]();
    signal.removeEventListener("abort", stop);
  }
}
