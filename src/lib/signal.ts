/**
 * Waits for `promise` until `signal` aborts.
 *
 * The promise itself is not stopped; should it fail later, that failure is not reported as unhandled. The listener on
 * the signal is removed when the wait ends.
 *
 * @returns What the promise gives, or rejects with the signal's reason.
 */
export async function raceSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener("abort", onAbort);
    promise.catch(() => {});
  }
}
