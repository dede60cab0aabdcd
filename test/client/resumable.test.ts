import { getEventListeners } from "node:events";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { type ResumableOptions, resumable } from "../../src/client/resumable.js";
import { toConnectError } from "../../src/connect-errors.js";
import { TokenRejectedError } from "../../src/errors.js";
import { aborted } from "../../src/lib/aborted.js";
import type { Clock } from "../../src/lib/clock.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { createEchoService } from "../support/echo-service.js";
import { PROTOCOLS, startRpcServer } from "../support/rpc-server.js";

const expired = (): ConnectError => toConnectError(new TokenRejectedError("ERR_TOKEN_EXPIRED", "old"));
const away = (headers?: HeadersInit): ConnectError => new ConnectError("away", Code.Unavailable, headers);
const isAway = (error: unknown): boolean => ConnectError.from(error).code === Code.Unavailable;

/** Resolves when so much time has passed. */
const passed = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => {
    clock.setTimer(resolve, ms);
  });

type Script = (stream: number, signal: AbortSignal) => AsyncIterable<number>;

/** Opens numbered streams as the script says; the cursor of a message is the message. */
function setUp(script: Script, options: Partial<ResumableOptions<number, number>> = {}) {
  const clock = createManualClock();
  const cursors: (number | undefined)[] = [];
  const signals: AbortSignal[] = [];
  const stream = resumable<number, number>(
    (cursor, signal) => {
      cursors.push(cursor);
      signals.push(signal);
      return script(cursors.length, signal);
    },
    { cursor: (message) => message, clock, ...options },
  );
  const seen: number[] = [];
  const read = async (): Promise<number[]> => {
    for await (const message of stream) seen.push(message);
    return seen;
  };
  /** Reads to the end while time passes, a little at a time. */
  const readOn = async (): Promise<number[]> => {
    let over = false;
    const result = read().finally(() => {
      over = true;
    });
    result.catch(() => {});
    while (!over) await clock.advance(50);
    return result;
  };
  return { clock, cursors, signals, stream, seen, read, readOn };
}

describe("resumable()", () => {
  it("gives the messages of a stream that ends in order, and opens no second one", async () => {
    const { read, cursors, signals } = setUp(async function* () {
      yield* [1, 2];
    });
    expect(await read()).toEqual([1, 2]);
    expect(cursors).toEqual([undefined]);
    expect(signals[0]?.aborted).toBe(true);
  });

  it("J6: goes on after the last message when the token expired, with neither gap nor repetition", async () => {
    const { readOn, cursors } = setUp(async function* (stream) {
      if (stream === 3) yield 5;
      else {
        yield* [stream * 2 - 1, stream * 2];
        throw expired();
      }
    });
    expect(await readOn()).toEqual([1, 2, 3, 4, 5]);
    expect(cursors).toEqual([undefined, 2, 4]);
  });

  it("keeps the cursor over messages that have none, and over streams without messages", async () => {
    const { readOn, cursors } = setUp(
      async function* (stream) {
        if (stream === 1) yield* [1, -1];
        if (stream < 3) throw expired();
      },
      { cursor: (message) => (message < 0 ? undefined : message) },
    );
    expect(await readOn()).toEqual([1, -1]);
    expect(cursors).toEqual([undefined, 1, 1]);
  });

  it("opens the next stream at once after one that was open for a second, however many there are", async () => {
    const { read, cursors, clock } = setUp(async function* (stream) {
      yield* [];
      if (stream === 100) return;
      await clock.advance(1_000);
      throw expired();
    });
    await read();
    expect(cursors).toHaveLength(100);
    expect(clock.pendingTimers).toBe(0);
  });

  it("waits longer and longer when the token expires at once, and gives up", async () => {
    const openedAtMs: number[] = [];
    const { readOn, clock } = setUp(async function* () {
      yield* [];
      openedAtMs.push(clock.monotonicMs());
      throw expired();
    });
    await expect(readOn()).rejects.toMatchObject({ code: Code.Unauthenticated });
    const waits = openedAtMs.slice(1).map((atMs, index) => atMs - (openedAtMs[index] ?? 0));
    expect(waits).toHaveLength(8);
    for (const [index, waitMs] of waits.entries()) {
      const fullMs = Math.min(10_000, 250 * 2 ** index);
      expect(waitMs).toBeGreaterThanOrEqual(fullMs / 2);
      expect(waitMs).toBeLessThanOrEqual(fullMs + 50);
    }
    expect(clock.pendingTimers).toBe(0);
  });

  it("does not come back without a pause when a server gives one message and ends the stream, again and again", async () => {
    const { clock, cursors, readOn } = setUp(async function* (stream) {
      yield stream;
      if (stream < 30) throw expired();
    });
    expect(await readOn()).toHaveLength(30);
    expect(cursors).toHaveLength(30);
    expect(clock.monotonicMs()).toBeGreaterThan(29 * 125);
  });

  it("gives other errors to the consumer at once", async () => {
    const { read, cursors } = setUp(async function* () {
      yield 1;
      throw away();
    });
    await expect(read()).rejects.toMatchObject({ code: Code.Unavailable });
    expect(cursors).toHaveLength(1);
  });

  it("takes a token that was rejected for another reason for no expiry", async () => {
    const { read, cursors } = setUp(async function* () {
      yield 1;
      throw toConnectError(new TokenRejectedError("ERR_TOKEN_REVOKED", "revoked"));
    });
    await expect(read()).rejects.toMatchObject({ code: Code.Unauthenticated });
    expect(cursors).toHaveLength(1);
  });

  it("goes on after errors that the caller calls transient, and not for ever", async () => {
    const { readOn, cursors, seen } = setUp(
      async function* (stream) {
        if (stream === 2) yield 7;
        throw away();
      },
      { isTransient: isAway, maxFailures: 3 },
    );
    await expect(readOn()).rejects.toMatchObject({ code: Code.Unavailable });
    expect(seen).toEqual([7]);
    expect(cursors).toEqual([undefined, undefined, 7, 7, 7]);
  });

  it("counts a stream that hung before it failed, since nothing says that a server was there", async () => {
    const { readOn, cursors, clock } = setUp(
      async function* () {
        yield* [];
        await passed(clock, 2_000);
        throw away();
      },
      { isTransient: isAway, maxFailures: 1 },
    );
    await expect(readOn()).rejects.toMatchObject({ code: Code.Unavailable });
    expect(cursors).toHaveLength(2);
  });

  it("counts from the start again after a stream that ended of age, though it gave nothing", async () => {
    const { readOn, cursors, clock } = setUp(
      async function* (stream) {
        yield* [];
        if (stream === 10) return;
        if (stream % 2 === 1) throw away();
        await passed(clock, 1_001);
        throw expired();
      },
      { isTransient: isAway, maxFailures: 1 },
    );
    await readOn();
    expect(cursors).toHaveLength(10);
  });

  it("waits as long as the server asks for", async () => {
    const { readOn, clock } = setUp(
      async function* (stream) {
        yield stream;
        if (stream === 1) throw away({ "retry-after": "30" });
      },
      { isTransient: isAway },
    );
    expect(await readOn()).toEqual([1, 2]);
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(30_000);
  });

  it("opens a stream without an end of its own again, and gives up when it ends at once", async () => {
    const { readOn, cursors } = setUp(
      async function* (stream) {
        if (stream === 1) yield 1;
      },
      { reopenAtEnd: true, maxFailures: 2 },
    );
    await expect(readOn()).rejects.toMatchObject({ code: Code.Unavailable });
    expect(cursors).toEqual([undefined, 1, 1]);
  });

  it("starts from the beginning with each iteration", async () => {
    const { read, cursors } = setUp(async function* () {
      yield 1;
    });
    await read();
    await read();
    expect(cursors).toEqual([undefined, undefined]);
  });

  it("opens nothing before the first step, and nothing when that is never taken", async () => {
    const { stream, cursors } = setUp(async function* () {
      yield 1;
    });
    const iterator = stream[Symbol.asyncIterator]();
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(cursors).toEqual([]);
  });

  it("ends the stream when the consumer leaves, also one that hangs", async () => {
    const { stream, signals } = setUp(async function* () {
      yield 1;
      await new Promise(() => {});
    });
    for await (const _ of stream) break;
    expect(signals[0]?.aborted).toBe(true);
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    const hanging = iterator.next();
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect(await hanging).toEqual({ done: true, value: undefined });
    expect(signals[1]?.aborted).toBe(true);
  });

  it("ends a wait when the consumer leaves, and opens no further stream", async () => {
    const { stream, cursors, clock } = setUp(async function* () {
      yield 1;
      throw expired();
    });
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    const waiting = iterator.next();
    while (clock.pendingTimers === 0) await clock.advance(0);
    await iterator.return?.();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(clock.pendingTimers).toBe(0);
    expect(cursors).toHaveLength(1);
  });

  it("ends the stream when the cursor cannot be read, and fails with that", async () => {
    const mistake = new TypeError("no such field");
    const { read, signals } = setUp(
      async function* () {
        yield 1;
      },
      {
        cursor: () => {
          throw mistake;
        },
      },
    );
    await expect(read()).rejects.toBe(mistake);
    expect(signals[0]?.aborted).toBe(true);
  });

  it("fails with what open() throws", async () => {
    const mistake = new TypeError("no such method");
    const { read } = setUp(() => {
      throw mistake;
    });
    await expect(read()).rejects.toBe(mistake);
  });

  it.each(["before", "during", "between"])("K11: ends with its signal, %s a stream", async (moment) => {
    const controller = new AbortController();
    const { read, seen, cursors, clock } = setUp(
      async function* () {
        yield 1;
        if (moment === "between") throw expired();
        await new Promise(() => {});
      },
      { signal: controller.signal },
    );
    if (moment === "before") controller.abort();
    const failed = expect(read()).rejects.toMatchObject({ code: Code.Canceled });
    if (moment === "during") while (seen.length === 0) await clock.advance(0);
    if (moment === "between") while (clock.pendingTimers === 0) await clock.advance(0);
    controller.abort();
    await failed;
    expect(cursors).toHaveLength(moment === "before" ? 0 : 1);
    expect(clock.pendingTimers).toBe(0);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });

  it("K11: leaves no listener on a signal that many streams share", async () => {
    const { signal } = new AbortController();
    const { readOn } = setUp(
      async function* (stream) {
        yield stream;
        if (stream < 20) throw expired();
      },
      { signal },
    );
    await readOn();
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("I6: refuses options that cannot be meant", () => {
    const open: Script = async function* () {};
    const cursor = (message: number): number => message;
    const wrong = (options: object) => (): unknown =>
      resumable(() => open(1, new AbortController().signal), options as ResumableOptions<number, number>);
    expect(wrong({})).toThrow("cursor must be a function");
    expect(wrong({ cursor, maxFailures: 0 })).toThrow("maxFailures must be a positive");
    expect(wrong({ cursor, maxFailures: 1.5 })).toThrow("maxFailures must be an integer");
    expect(wrong({ cursor, reopenAtEnd: "yes" })).toThrow("reopenAtEnd must be a boolean");
    expect(wrong({ cursor, isTransient: true })).toThrow("isTransient must be a function");
    expect(wrong({ cursor, retries: 3 })).toThrow("options.retries is not an option");
  });
});

describe.each(PROTOCOLS)("resumable() over HTTP/2 with %s", (protocol) => {
  it("J6: gives each message once, and ends the call when the consumer leaves", async () => {
    const left = Promise.withResolvers<void>();
    let streams = 0;
    const echo = createEchoService({
      async *serverStream({ text }, { signal }) {
        streams++;
        const first = Number(text) + 1;
        yield { text: String(first) };
        yield { text: String(first + 1) };
        if (streams < 3) throw expired();
        await aborted(signal);
        left.resolve();
      },
    });
    await using server = await startRpcServer("2", { routes: echo.routes });
    const client = createClient(EchoService, server.transport(protocol));
    const clock = createManualClock();
    const stream = resumable(
      (cursor: number | undefined, signal) => client.serverStream({ text: String(cursor ?? 0) }, { signal }),
      { cursor: ({ text }) => Number(text), clock },
    );
    const seen: string[] = [];
    const read = (async () => {
      for await (const { text } of stream) if (seen.push(text) === 6) break;
    })();
    while (seen.length < 6) await clock.advance(50);
    await read;
    await left.promise;
    expect(seen).toEqual(["1", "2", "3", "4", "5", "6"]);
    expect(streams).toBe(3);
  });
});
