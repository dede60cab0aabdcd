import type { Clock } from "../lib/clock.js";

/** A clock that stands still until a test moves it. */
export interface ManualClock extends Clock {
  /**
   * Moves both times forward and calls back every timer that falls due, in order of their due times. Between two
   * timers, promises that were waiting get to run.
   *
   * @param ms - How far, in milliseconds; 0 or greater.
   */
  advance(ms: number): Promise<void>;
  /** Sets the wall clock alone, as a correction of the machine's time would. */
  setWallClock(nowMs: number): void;
  /** How many timers wait to be called. */
  readonly pendingTimers: number;
}

/**
 * Creates a clock for tests: time passes only by {@link ManualClock.advance}.
 *
 * @example
 * ```ts
 * import { createManualClock } from "latchkey/testing";
 *
 * const clock = createManualClock();
 * clock.setTimer(() => console.log("due"), 1_000);
 * await clock.advance(1_000);
 * ```
 *
 * @param nowMs - Where the wall clock starts, in milliseconds since the epoch; the present when absent.
 */
export function createManualClock(nowMs: number = Date.now()): ManualClock {
  let wallMs = nowMs;
  let monotonicMs = 0;
  const timers = new Set<{ readonly dueMs: number; readonly callback: () => void }>();
  const nextDue = (untilMs: number): { readonly dueMs: number; readonly callback: () => void } | undefined => {
    let first: { readonly dueMs: number; readonly callback: () => void } | undefined;
    for (const timer of timers) {
      if (timer.dueMs <= untilMs && (first === undefined || timer.dueMs < first.dueMs)) first = timer;
    }
    return first;
  };
  const moveTo = (targetMs: number): void => {
    // Another call may have moved further while this one let others run: time does not turn back.
    const stepMs = Math.max(0, targetMs - monotonicMs);
    wallMs += stepMs;
    monotonicMs += stepMs;
  };
  return {
    nowMs: () => wallMs,
    monotonicMs: () => monotonicMs,
    setTimer(callback, delayMs) {
      const timer = { dueMs: monotonicMs + Math.max(0, delayMs), callback };
      timers.add(timer);
      return { [Symbol.dispose]: () => void timers.delete(timer) };
    },
    async advance(ms) {
      if (!Number.isFinite(ms) || ms < 0) throw new RangeError(`ms must be 0 or a positive finite number, got ${ms}`);
      const targetMs = monotonicMs + ms;
      for (let timer = nextDue(targetMs); timer !== undefined; timer = nextDue(targetMs)) {
        timers.delete(timer);
        moveTo(timer.dueMs);
        timer.callback();
        await settle();
      }
      moveTo(targetMs);
      await settle();
    },
    setWallClock(toMs) {
      wallMs = toMs;
    },
    get pendingTimers() {
      return timers.size;
    },
  };
}

/** Lets everything that is ready to run do so: a macrotask runs after all microtasks queued so far. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
