import type { Message } from "@bufbuild/protobuf";
import type { StreamResponse } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { guardResponse, openGuarded, type ResponseGuard } from "../../src/client/guarded-response.js";

const refused = new Error("refused");

/** A response that gives numbers and throws errors, as the list says. */
function respond(items: readonly unknown[], name = "first", message?: AsyncIterable<unknown>): StreamResponse {
  const trailer = new Headers();
  async function* stream(): AsyncGenerator<unknown> {
    for (const item of items) {
      if (item instanceof Error) throw item;
      yield item;
    }
    trailer.set("x-trailer", name);
  }
  return {
    stream: true,
    service: EchoService,
    method: EchoService.method.serverStream,
    header: new Headers({ "x-header": name, [`x-only-${name}`]: "1" }),
    trailer,
    message: (message ?? stream()) as AsyncIterable<Message>,
  };
}

function guard(reopen?: ResponseGuard["reopen"]): ResponseGuard & { readonly failures: unknown[] } {
  const failures: unknown[] = [];
  return { failures, failed: (error) => void failures.push(error), ...(reopen !== undefined && { reopen }) };
}

async function collect(response: StreamResponse): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const item of response.message) items.push(item);
  return items;
}

describe("guardResponse()", () => {
  it("gives messages, headers and trailers of a stream that works", async () => {
    const watched = guard(() => Promise.reject(new Error("not needed")));
    const response = guardResponse(respond([1, 2]), watched);
    expect(response.header.get("x-header")).toBe("first");
    expect(await collect(response)).toEqual([1, 2]);
    expect(response.trailer.get("x-trailer")).toBe("first");
    expect(watched.failures).toEqual([]);
  });

  it("goes on with another stream when the first fails before its first message", async () => {
    const asked: unknown[] = [];
    const watched = guard(async (error) => {
      asked.push(error);
      return respond([3, 4], "second");
    });
    const response = guardResponse(respond([refused]), watched);
    const { header, trailer } = response;
    expect(await collect(response)).toEqual([3, 4]);
    expect(asked).toEqual([refused]);
    expect(watched.failures).toEqual([]);
    expect(Object.fromEntries(header)).toEqual({ "x-header": "second", "x-only-second": "1" });
    expect(trailer.get("x-trailer")).toBe("second");
  });

  it("reports a failure when there is no other stream", async () => {
    const watched = guard(async () => undefined);
    await expect(collect(guardResponse(respond([refused]), watched))).rejects.toBe(refused);
    expect(watched.failures).toEqual([refused]);
  });

  it("reports a failure of the other stream, and asks for no third", async () => {
    let asked = 0;
    const again = new Error("again");
    const watched = guard(async () => {
      asked++;
      return respond([again]);
    });
    await expect(collect(guardResponse(respond([refused]), watched))).rejects.toBe(again);
    expect(watched.failures).toEqual([again]);
    expect(asked).toBe(1);
  });

  it("never replaces a stream that has given a message", async () => {
    const watched = guard(() => Promise.reject(new Error("must not be asked")));
    await expect(collect(guardResponse(respond([1, refused]), watched))).rejects.toBe(refused);
    expect(watched.failures).toEqual([refused]);
  });

  it("guards a stream that is guarded already, whichever of the two replaces it", async () => {
    for (const replacing of ["inner", "outer"]) {
      const reopen = async () => respond([1], "second");
      const never = async () => undefined;
      const inner = guardResponse(respond([refused]), guard(replacing === "inner" ? reopen : never));
      const outer = guardResponse(inner, guard(replacing === "outer" ? reopen : never));
      const { header, trailer } = outer;
      expect(await collect(outer)).toEqual([1]);
      expect(Object.fromEntries(header)).toEqual({ "x-header": "second", "x-only-second": "1" });
      expect(trailer.get("x-trailer")).toBe("second");
    }
  });

  it("takes immutable headers, as fetch gives them", async () => {
    const immutable = (await fetch("data:text/plain,x")).headers;
    const first = { ...respond([refused]), header: immutable };
    const response = guardResponse(
      first,
      guard(async () => respond([1], "second")),
    );
    expect(await collect(response)).toEqual([1]);
    expect(response.header.get("x-header")).toBe("second");
  });

  it("only reports when it cannot replace, and keeps headers and trailers as they are", async () => {
    const watched = guard();
    const original = respond([1, refused]);
    const response = guardResponse(original, watched);
    expect(response.header).toBe(original.header);
    expect(response.trailer).toBe(original.trailer);
    await expect(collect(response)).rejects.toBe(refused);
    expect(watched.failures).toEqual([refused]);
  });

  it("keeps the order of next() calls made before the stream was replaced", async () => {
    const response = guardResponse(
      respond([refused]),
      guard(async () => respond([1, 2, 3])),
    );
    const iterator = response.message[Symbol.asyncIterator]();
    const steps = await Promise.all([iterator.next(), iterator.next(), iterator.next(), iterator.next()]);
    expect(steps.map(({ done, value }) => (done === true ? "done" : value))).toEqual([1, 2, 3, "done"]);
  });

  it("has return() and throw() only where the stream has", async () => {
    const plain = { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) as const }) };
    const bare = guardResponse(respond([], "first", plain), guard()).message[Symbol.asyncIterator]();
    expect(bare.return).toBeUndefined();
    expect(bare.throw).toBeUndefined();
    const full = guardResponse(respond([1, 2]), guard()).message[Symbol.asyncIterator]();
    await full.next();
    expect(await full.return?.()).toEqual({ done: true, value: undefined });
    expect(await full.next()).toEqual({ done: true, value: undefined });
  });

  it("finishes the other stream too when the consumer left before it was there", async () => {
    const other = Promise.withResolvers<StreamResponse>();
    let finished = 0;
    const message: AsyncIterable<unknown> = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.reject(new Error("must not be read")),
        return: async () => {
          finished++;
          return { done: true, value: undefined };
        },
      }),
    };
    const asked = Promise.withResolvers<void>();
    const watched = guard(() => {
      asked.resolve();
      return other.promise;
    });
    const iterator = guardResponse(respond([refused]), watched).message[Symbol.asyncIterator]();
    const step = iterator.next();
    await asked.promise;
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    other.resolve(respond([], "second", message));
    expect(await step).toEqual({ done: true, value: undefined });
    expect(finished).toBe(1);
  });

  it("passes throw() on to the stream", async () => {
    const iterator = guardResponse(respond([1, 2]), guard()).message[Symbol.asyncIterator]();
    await iterator.next();
    await expect(iterator.throw?.(refused)).rejects.toBe(refused);
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });
});

describe("openGuarded()", () => {
  it("guards a stream that opens", async () => {
    const watched = guard();
    const response = await openGuarded(async () => respond([1, refused]), watched);
    await expect(collect(response)).rejects.toBe(refused);
    expect(watched.failures).toEqual([refused]);
  });

  it("opens another in place of one that does not, and no third", async () => {
    let asked = 0;
    const watched = guard(async () => {
      asked++;
      return respond([refused], "second");
    });
    const response = await openGuarded(() => Promise.reject(refused), watched);
    expect(response.header.get("x-header")).toBe("second");
    await expect(collect(response)).rejects.toBe(refused);
    expect(watched.failures).toEqual([refused]);
    expect(asked).toBe(1);
  });

  it("fails as it did when there is no other", async () => {
    for (const watched of [guard(), guard(async () => undefined)]) {
      await expect(openGuarded(() => Promise.reject(refused), watched)).rejects.toBe(refused);
    }
  });
});
