import type { Clock } from "./clock.js";
import { raceSignal } from "./signal.js";

/**
 * Waits on monotonic time. Rejects with the signal's reason when it aborts; leaves no timer and no listener. By itself it
 * keeps no process alive.
 */
export async function pause(delayMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
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
