/**
 * Lets the request of a server-streaming call be sent twice: its one message is kept, for the iterable of a request
 * gives it only once.
 *
 * Nothing is read before the first iteration asks for it. A reader that gives up does not finish the source, since
 * another may follow; whoever made the source finishes it when the call ends.
 */
export function bufferRequest<T>(source: AsyncIterable<T>): AsyncIterable<T> {
  let iterator: AsyncIterator<T> | undefined;
  let first: Promise<IteratorResult<T>> | undefined;
  return {
    async *[Symbol.asyncIterator]() {
      iterator ??= source[Symbol.asyncIterator]();
      first ??= iterator.next();
      // Not `for await`, which would finish the source with its first reader.
      for (let step = await first; step.done !== true; step = await iterator.next()) yield step.value;
    },
  };
}
