import { describe, expect, it } from "vitest";
import { bufferRequest } from "../../src/client/buffered-request.js";

async function* once(reads: { count: number }): AsyncGenerator<string> {
  reads.count++;
  yield "message";
}

const collect = async (source: AsyncIterable<string>): Promise<string[]> => {
  const items: string[] = [];
  for await (const item of source) items.push(item);
  return items;
};

describe("bufferRequest()", () => {
  it("gives the message to each reader, reading the source once", async () => {
    const reads = { count: 0 };
    const buffered = bufferRequest(once(reads));
    expect(reads.count).toBe(0);
    expect(await collect(buffered)).toEqual(["message"]);
    expect(await collect(buffered)).toEqual(["message"]);
    expect(reads.count).toBe(1);
  });

  it("gives it to a second reader when the first gave up before or after it", async () => {
    const buffered = bufferRequest(once({ count: 0 }));
    buffered[Symbol.asyncIterator]();
    for await (const _ of buffered) break;
    expect(await collect(buffered)).toEqual(["message"]);
  });

  it("gives it to two readers at once", async () => {
    const buffered = bufferRequest(once({ count: 0 }));
    expect(await Promise.all([collect(buffered), collect(buffered)])).toEqual([["message"], ["message"]]);
  });

  it("gives a failure of the source to each reader", async () => {
    const failure = new Error("broken");
    const buffered = bufferRequest<string>({
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(failure) }),
    });
    await expect(collect(buffered)).rejects.toBe(failure);
    await expect(collect(buffered)).rejects.toBe(failure);
  });

  it("has nothing for a reader of a source without messages", async () => {
    const buffered = bufferRequest((async function* (): AsyncGenerator<string> {})());
    expect(await collect(buffered)).toEqual([]);
    expect(await collect(buffered)).toEqual([]);
  });
});
