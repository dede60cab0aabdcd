/**
 * Time as everything here sees it, so that tests can hold it still.
 *
 * Instants in tokens are compared with wall-clock time; ages, cooldowns and timers run on monotonic time, which a
 * corrected wall clock neither stops nor rewinds.
 */
export interface Clock {
  /** Milliseconds since the epoch; may step in either direction. */
  nowMs(): number;
  /** Milliseconds since some fixed instant; never goes back. */
  monotonicMs(): number;
  /**
   * Calls back once, `delayMs` from now on monotonic time, unless disposed before. Never keeps the process alive.
   */
  setTimer(callback: () => void, delayMs: number): Disposable;
  /**
   * Keeps the process alive until disposed: called while a caller waits, so that the wait does not end with the process.
   * A clock without it keeps no process alive, as one that a test moves need not.
   */
  keepAlive?(): Disposable;
}

// Above this, setTimeout fires at once.
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** The clock of this machine. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(callback, delayMs) {
    const dueMs = performance.now() + delayMs;
    let timer: ReturnType<typeof setTimeout>;
    const arm = (): void => {
      const leftMs = Math.max(0, dueMs - performance.now());
      timer = setTimeout(leftMs > LONGEST_TIMEOUT_MS ? arm : callback, Math.min(leftMs, LONGEST_TIMEOUT_MS));
      // Browsers hand out numbers, which keep no process alive.
      if (typeof timer === "object") timer.unref();
    };
    arm();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  keepAlive() {
    const timer = setTimeout(() => {}, LONGEST_TIMEOUT_MS);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
