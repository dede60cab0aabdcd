import type { Clock } from "../lib/clock.js";
import { raceSignal } from "../lib/signal.js";

/** When failed work is repeated. Durations in milliseconds. */
export interface RetrySchedule {
  /** How often at most; 0: never. */
  readonly retries: number;
  /** Upper bound of the first random wait; doubles with each. */
  readonly retryMinDelayMs: number;
  /** Upper bound of every random wait. */
  readonly retryMaxDelayMs: number;
  /** No wait begins that would end later than this after the start. */
  readonly totalTimeoutMs: number;
  /** Time of the waits. */
  readonly clock: Clock;
}

/**
 * Does work, and does it again while it fails in a way that may pass, with full jitter between the tries.
 *
 * @param work - Gets the time left until the total deadline, in milliseconds.
 * @param isTransient - Whether another try may help.
 * @returns What the first success gives, or rejects with the last failure, or with the signal's reason.
 */
export async function retry<T>(
  work: (leftMs: number) => Promise<T>,
  isTransient: (error: unknown) => boolean,
  schedule: RetrySchedule,
  signal: AbortSignal,
): Promise<T> {
  const { clock, retries, retryMinDelayMs, retryMaxDelayMs, totalTimeoutMs } = schedule;
  const endMs = clock.monotonicMs() + totalTimeoutMs;
  for (let tries = 0; ; tries++) {
    try {
      return await work(endMs - clock.monotonicMs());
    } catch (error) {
      if (signal.aborted || tries >= retries || !isTransient(error)) throw error;
      // Full jitter: clients that failed together must not come back together.
      const delayMs = Math.random() * Math.min(retryMaxDelayMs, retryMinDelayMs * 2 ** tries);
      if (clock.monotonicMs() + delayMs >= endMs) throw error;
      await pause(delayMs, clock, signal);
    }
  }
}

async function pause(delayMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  let timer: Disposable | undefined;
  const due = new Promise<void>((resolve) => {
    timer = clock.setTimer(resolve, delayMs);
  });
  try {
    await raceSignal(due, signal);
  } finally {
    timer?.[Symbol.dispose]();
  }
}
