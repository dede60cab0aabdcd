import type { StreamResponse } from "@connectrpc/connect";

/** What {@link guardResponse} reports, and asks. */
export interface ResponseGuard {
  /** The stream has failed, and the error goes to the caller. */
  failed(error: unknown): void;
  /** The stream has failed before its first message: gives another to go on with, or undefined to fail. */
  reopen?(error: unknown): Promise<StreamResponse | undefined>;
}

type Messages = StreamResponse["message"];
type Message = Messages extends AsyncIterable<infer M> ? M : never;

/**
 * Opens a response stream that {@link guardResponse} watches. Failing to open it counts as failing before its first
 * message.
 */
export async function openGuarded(open: () => Promise<StreamResponse>, guard: ResponseGuard): Promise<StreamResponse> {
  let response: StreamResponse;
  try {
    response = await open();
  } catch (error) {
    const other = await guard.reopen?.(error);
    if (other === undefined) throw error;
    return guardResponse(other, { failed: guard.failed });
  }
  return guardResponse(response, guard);
}

/**
 * Watches a response stream for errors, and lets one that fails before its first message be replaced.
 *
 * A stream that may be replaced gets headers and trailers of its own. They take over what the second response has, for
 * the caller got hold of them before anyone knew that there would be a second.
 *
 * @param response - The response as the transport gave it.
 * @param guard - Told about errors.
 */
export function guardResponse(response: StreamResponse, guard: ResponseGuard): StreamResponse {
  const { reopen } = guard;
  if (reopen === undefined) return { ...response, message: guardMessages(response.message, guard) };
  let current = response;
  const header = new Headers(response.header);
  const trailer = new Headers();
  const message = guardMessages(response.message, {
    failed: (error) => guard.failed(error),
    async reopen(error) {
      const other = await reopen(error);
      if (other === undefined) return undefined;
      current = other;
      replaceHeaders(header, other.header);
      return other;
    },
    // What is behind may have replaced its response too, and its headers with it.
    started: () => replaceHeaders(header, current.header),
    finished: () => replaceHeaders(trailer, current.trailer),
  });
  return { ...response, header, trailer, message };
}

function guardMessages(messages: Messages, guard: ResponseGuard & { started?(): void; finished?(): void }): Messages {
  return {
    [Symbol.asyncIterator]() {
      let inner: AsyncIterator<Message> = messages[Symbol.asyncIterator]();
      let opening: Promise<IteratorResult<Message>> | undefined;
      let opened = false;
      let left = false;
      const pass = (result: IteratorResult<Message>): IteratorResult<Message> => {
        if (!opened) guard.started?.();
        opened = true;
        if (result.done === true) guard.finished?.();
        return result;
      };
      const fail = (error: unknown): never => {
        opened = true;
        guard.failed(error);
        throw error;
      };
      const step = (): Promise<IteratorResult<Message>> => inner.next().then(pass, fail);
      const start = (): Promise<IteratorResult<Message>> =>
        inner.next().then(pass, async (error: unknown) => {
          const other = await guard.reopen?.(error);
          if (other === undefined) return fail(error);
          inner = other.message[Symbol.asyncIterator]();
          if (!left) return step();
          opened = true;
          await inner.return?.();
          return { done: true, value: undefined };
        });
      const outer: AsyncIterator<Message> = {
        next() {
          if (opened) return step();
          if (opening !== undefined) return opening.then(step, step); // the stream may still be replaced
          opening = start();
          return opening;
        },
      };
      // An iterator without return() or throw() must not seem to have them: callers choose by their presence.
      if (inner.return !== undefined) {
        outer.return = async (value) => {
          left = true;
          return inner.return?.(value) ?? { done: true, value };
        };
      }
      if (inner.throw !== undefined) {
        outer.throw = async (error) => {
          if (inner.throw === undefined) throw error;
          return inner.throw(error);
        };
      }
      return outer;
    },
  };
}

function replaceHeaders(target: Headers, source: Headers): void {
  for (const name of [...target.keys()]) target.delete(name);
  for (const [name, value] of source) target.append(name, value);
}
