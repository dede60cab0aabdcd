import type { Clock } from "./clock.js";

const unattended = new WeakSet<AbortSignal>();

/** Says of the work that a signal ends that nobody waits for it. Gives the signal. */
export function markUnattended(signal: AbortSignal): AbortSignal {
  unattended.add(signal);
  return signal;
}

/** Tells whether nobody waits for the work that a signal ends, as far as that was said. */
export function isUnattended(signal: AbortSignal): boolean {
  return unattended.has(signal);
}

/**
 * Waits for work on behalf of a caller: until it settles the process stays alive, unless `signal` is marked as that of
 * unattended work. Timers of the work itself need not keep it alive, so that it ends with the process once nobody waits.
 *
 * @param work - Must end by a deadline of its own.
 * @param clock - What keeps the process alive.
 * @param signal - That of the caller.
 * @returns What the work gives.
 */
export async function attend<T>(work: Promise<T>, clock: Clock, signal?: AbortSignal): Promise<T> {
  if (signal !== undefined && isUnattended(signal)) return work;
  const hold = clock.keepAlive?.();
  try {
    return await work;
  } finally {
    hold?.[Symbol.dispose]();
  }
}
