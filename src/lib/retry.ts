import { type BackoffShape, createBackoff } from "./backoff.js";
import type { Clock } from "./clock.js";
import { pause } from "./pause.js";

/** When failed work is repeated. Durations in milliseconds. */
export interface RetrySchedule extends BackoffShape {
  /** How often at most; 0: never. */
  readonly retries: number;
  /** No wait begins that would end later than this after the start. */
  readonly totalTimeoutMs: number;
  /** Time of the waits. */
  readonly clock: Clock;
}

/**
 * Does work, and does it again while it fails in a way that may pass. The waits between tries keep no process alive:
 * whoever has a caller waiting for it does, by `attend()`.
 *
 * @param work - Called for each try.
 * @param retryDelayMs - The shortest wait that a failure asks for, in milliseconds; undefined when another try is no use.
 * @param signal - Ends a wait between tries.
 * @returns What the first success gives, or rejects with the last failure, or with the signal's reason.
 */
export async function retry<T>(
  work: () => Promise<T>,
  retryDelayMs: (error: unknown) => number | undefined,
  schedule: RetrySchedule,
  signal: AbortSignal,
): Promise<T> {
  const { clock, retries, totalTimeoutMs } = schedule;
  const endMs = clock.monotonicMs() + totalTimeoutMs;
  const nextDelayMs = createBackoff(schedule);
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const leastMs = signal.aborted || tries >= retries ? undefined : retryDelayMs(error);
      if (leastMs === undefined) throw error;
      const delayMs = Math.max(nextDelayMs(), leastMs);
      if (clock.monotonicMs() + delayMs >= endMs) throw error;
      await pause(delayMs, clock, signal);
    }
  }
}
