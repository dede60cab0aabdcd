/** What is done at each step of an iteration. */
export interface IterationObserver<T> {
  /** Sees each item before the consumer does; what it throws the consumer gets instead. */
  readonly onItem?: (item: T) => void;
  /** Gives the error that the consumer gets instead of the one thrown. */
  readonly onError?: (error: unknown) => unknown;
}

/** Gives the items of `source` while an observer looks on. The iterator has `return` and `throw` if the source's has. */
export function observedIterable<T>(source: AsyncIterable<T>, observer: IterationObserver<T>): AsyncIterable<T> {
  const { onItem, onError } = observer;
  return {
    [Symbol.asyncIterator]() {
      const inner = source[Symbol.asyncIterator]();
      const observe = async (step: Promise<IteratorResult<T>>): Promise<IteratorResult<T>> => {
        let result: IteratorResult<T>;
        try {
          result = await step;
        } catch (error) {
          throw onError === undefined ? error : onError(error);
        }
        if (result.done !== true) onItem?.(result.value);
        return result;
      };
      const outer: AsyncIterator<T> = { next: (...args) => observe(inner.next(...args)) };
      const { return: innerReturn, throw: innerThrow } = inner;
      if (innerReturn !== undefined) outer.return = (value) => innerReturn.call(inner, value);
      if (innerThrow !== undefined) outer.throw = (error) => observe(innerThrow.call(inner, error));
      return outer;
    },
  };
}
