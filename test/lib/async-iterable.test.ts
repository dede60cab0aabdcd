import { getEventListeners } from "node:events";
import { describe, expect, it, onTestFinished } from "vitest";
import { abortableIterable, mapAsyncIterable } from "../../src/lib/async-iterable.js";

async function* numbers(upTo: number): AsyncGenerator<number> {
  for (let number = 1; number <= upTo; number++) yield number;
}

const hanging: AsyncIterable<never> = {
  [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
};

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

describe("mapAsyncIterable()", () => {
  it("maps every item in order", async () => {
    expect(await collect(mapAsyncIterable(numbers(3), (number) => number * 2))).toEqual([2, 4, 6]);
  });

  it("ends the source when the mapping throws", async () => {
    let ended = false;
    async function* source(): AsyncGenerator<number> {
      try {
        yield 1;
        yield 2;
      } finally {
        ended = true;
      }
    }
    const mapped = mapAsyncIterable(source(), () => {
      throw new Error("no");
    });
    await expect(collect(mapped)).rejects.toThrow("no");
    expect(ended).toBe(true);
  });
});

describe("abortableIterable()", () => {
  it("gives every item while nobody aborts, and leaves no listener behind", async () => {
    const { signal } = new AbortController();
    expect(await collect(abortableIterable(numbers(3), signal))).toEqual([1, 2, 3]);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("fails with the reason of the signal while the source hangs", async () => {
    const controller = new AbortController();
    const next = abortableIterable(hanging, controller.signal)[Symbol.asyncIterator]().next();
    controller.abort(new Error("gone"));
    await expect(next).rejects.toThrow("gone");
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });

  it("tells the source to finish", async () => {
    const controller = new AbortController();
    let returned = false;
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => {}),
        return: async () => {
          returned = true;
          return { done: true, value: undefined };
        },
      }),
    };
    const next = abortableIterable(source, controller.signal)[Symbol.asyncIterator]().next();
    controller.abort(new Error("gone"));
    await expect(next).rejects.toThrow("gone");
    expect(returned).toBe(true);
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("cleanup");
      },
    ],
    ["gives no promise", () => ({ done: true, value: undefined })],
    ["rejects", () => Promise.reject(new Error("cleanup"))],
  ])("lets no failure out when the return() of the source %s", async (_name, finish) => {
    // What a listener on a signal throws, Node.js reports as an uncaught exception.
    const uncaught: unknown[] = [];
    const onUncaught = (error: unknown): void => void uncaught.push(error);
    const events = ["uncaughtException", "unhandledRejection"] as const;
    const others = events.map((event) => [event, process.listeners(event as "uncaughtException")] as const);
    for (const event of events) process.removeAllListeners(event).on(event, onUncaught);
    onTestFinished(() => {
      for (const [event, listeners] of others) {
        process.removeAllListeners(event);
        for (const listener of listeners) process.on(event, listener);
      }
    });
    const controller = new AbortController();
    const source = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}), return: finish }),
    } as AsyncIterable<never>;
    const next = abortableIterable(source, controller.signal)[Symbol.asyncIterator]().next();
    controller.abort(new Error("gone"));
    await expect(next).rejects.toThrow("gone");
    await new Promise((resolve) => setImmediate(resolve));
    expect(uncaught).toEqual([]);
  });

  it("gives nothing under a signal that has aborted before", async () => {
    await expect(collect(abortableIterable(numbers(3), AbortSignal.abort(new Error("gone"))))).rejects.toThrow("gone");
  });

  it("forwards next(value), and has return() and throw() only where the source has them", async () => {
    const received: unknown[] = [];
    async function* source(): AsyncGenerator<number, void, string> {
      received.push(yield 1);
    }
    const { signal } = new AbortController();
    const iterator = abortableIterable(source(), signal)[Symbol.asyncIterator]();
    await iterator.next();
    await (iterator as AsyncIterator<number, void, string>).next("hello");
    expect(received).toEqual(["hello"]);
    const bare = abortableIterable(hanging, signal)[Symbol.asyncIterator]();
    expect([iterator.return, bare.return, bare.throw].map((method) => typeof method)).toEqual([
      "function",
      "undefined",
      "undefined",
    ]);
  });

  it("releases the signal when the consumer stops early or the source fails", async () => {
    const { signal } = new AbortController();
    for await (const _ of abortableIterable(numbers(3), signal)) break;
    async function* failing(): AsyncGenerator<number> {
      yield 1;
      throw new Error("no");
    }
    await expect(collect(abortableIterable(failing(), signal))).rejects.toThrow("no");
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});
