import type { Clock } from "../../src/lib/clock.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";

/** A manual clock on which waits between two tries pass at once. */
export interface SkippingClock extends Clock {
  readonly manual: ManualClock;
  /** The waits so far, in milliseconds. */
  readonly waits: readonly number[];
}

/**
 * Creates a clock that moves itself on by each wait that is begun on it, but not by a deadline.
 *
 * @param deadlinesMs - Durations of timers that are deadlines.
 */
export function createSkippingClock(deadlinesMs: readonly number[], nowMs?: number): SkippingClock {
  const manual = createManualClock(nowMs);
  const waits: number[] = [];
  let moved: Promise<void> = Promise.resolve();
  return {
    manual,
    waits,
    nowMs: manual.nowMs,
    monotonicMs: manual.monotonicMs,
    setTimer(callback, delayMs) {
      const timer = manual.setTimer(callback, delayMs);
      if (!deadlinesMs.includes(delayMs)) {
        waits.push(delayMs);
        // To a whole number: with fractions, steps that make 5 seconds may add up to a little less. One after another: a
        // wait may begin while the clock still moves on by the one before.
        moved = moved.then(() => manual.advance(Math.ceil(delayMs)));
      }
      return timer;
    },
  };
}
