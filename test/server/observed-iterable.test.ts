import { describe, expect, it } from "vitest";
import { observedIterable } from "../../src/server/observed-iterable.js";
import { items } from "../support/echo-calls.js";

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of source) collected.push(item);
  return collected;
}

describe("observedIterable()", () => {
  it("shows each item to the observer, and then to the consumer", async () => {
    const seen: number[] = [];
    expect(await collect(observedIterable(items(1, 2), { onItem: (item) => void seen.push(item) }))).toEqual([1, 2]);
    expect(seen).toEqual([1, 2]);
  });

  it("gives the consumer what the observer throws in place of the item", async () => {
    const onItem = (item: number): void => {
      if (item === 2) throw new RangeError("no");
    };
    await expect(collect(observedIterable(items(1, 2), { onItem }))).rejects.toThrow(RangeError);
  });

  it("gives the consumer another error in place of the one thrown", async () => {
    async function* failing(): AsyncGenerator<number> {
      yield 1;
      throw new Error("inner");
    }
    const onError = (error: unknown): unknown => new Error("outer", { cause: error });
    await expect(collect(observedIterable(failing(), { onError }))).rejects.toThrow("outer");
    await expect(collect(observedIterable(failing(), {}))).rejects.toThrow("inner");
  });

  it("hands return() and values on to the source, and has neither return() nor throw() if the source has not", async () => {
    const received: unknown[] = [];
    async function* source(): AsyncGenerator<number> {
      try {
        received.push(yield 1);
        yield 2;
      } finally {
        received.push("closed");
      }
    }
    const iterator = observedIterable(source(), {})[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.next("value");
    await iterator.return?.();
    expect(received).toEqual(["value", "closed"]);
    const bare: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
    };
    const { return: bareReturn, throw: bareThrow } = observedIterable(bare, {})[Symbol.asyncIterator]();
    expect([bareReturn, bareThrow]).toEqual([undefined, undefined]);
  });

  it("hands throw() on to the source", async () => {
    async function* source(): AsyncGenerator<string> {
      try {
        yield "first";
      } catch {
        yield "caught";
      }
    }
    const iterator = observedIterable(source(), {})[Symbol.asyncIterator]();
    await iterator.next();
    expect(await iterator.throw?.(new Error("x"))).toEqual({ done: false, value: "caught" });
  });
});
