/** Gives each item of `source` as `map` returns it; a throw of `map` ends the source too. */
export async function* mapAsyncIterable<T, U>(
  source: AsyncIterable<T>,
  map: (item: T) => U | Promise<U>,
): AsyncGenerator<U, void, undefined> {
  for await (const item of source) yield await map(item);
}

/**
 * Gives the items of `source` until `signal` aborts; then fails with the signal's reason, even while the source hangs.
 *
 * The source's iterator is told to finish (`return()`), and not waited for: one that hangs must not hold up its caller.
 * The listener on the signal is removed when the iteration ends or the signal aborts, whichever comes first.
 */
export function abortableIterable<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const inner = source[Symbol.asyncIterator]();
      // One entry per step under way. Racing each step against one long-lived promise would leave a reaction behind on
      // it per message, which an endless stream never frees.
      const underWay = new Set<(reason: unknown) => void>();
      const onAbort = (): void => {
        for (const reject of underWay) reject(signal.reason);
        underWay.clear();
        // Whatever it does, for what a listener throws ends the process.
        (async () => inner.return?.())().catch(() => {});
      };
      const release = (): void => signal.removeEventListener("abort", onAbort);
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
      const race = (start: () => Promise<IteratorResult<T>>): Promise<IteratorResult<T>> =>
        new Promise((resolve, reject) => {
          if (signal.aborted) {
            reject(signal.reason);
            return;
          }
          underWay.add(reject);
          start().then(
            (result) => {
              underWay.delete(reject);
              if (result.done === true) release();
              resolve(result);
            },
            (error: unknown) => {
              underWay.delete(reject);
              release();
              reject(error);
            },
          );
        });
      const outer: AsyncIterator<T> = { next: (...args) => race(() => inner.next(...args)) };
      // An iterator without return() or throw() must not seem to have them: callers choose by their presence.
      const { return: innerReturn, throw: innerThrow } = inner;
      if (innerReturn !== undefined) {
        outer.return = (value) => {
          release();
          return innerReturn.call(inner, value);
        };
      }
      if (innerThrow !== undefined) outer.throw = (error) => race(() => innerThrow.call(inner, error));
      return outer;
    },
  };
}
