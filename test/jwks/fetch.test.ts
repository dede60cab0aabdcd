import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fetchJwks, type JwksRequest, type JwksResponse } from "../../src/jwks/fetch.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";

const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };
const INVALID = { name: "KeysUnavailableError", code: "ERR_KEYS_INVALID" };
const MEGABYTE = 1_024 * 1_024;

describe("fetchJwks()", () => {
  let server: JwksServer;
  let clock: ManualClock;

  beforeEach(async () => {
    server = await startJwksServer();
    clock = createManualClock();
  });
  afterEach(() => server[Symbol.asyncDispose]());

  function ask(changes: Partial<JwksRequest> = {}, signal = new AbortController().signal): Promise<JwksResponse> {
    const fetch: JwksRequest["fetch"] = (url, init) => globalThis.fetch(url, init);
    return fetchJwks({ url: server.url, timeoutMs: 3_000, maxBodyBytes: 1_024, fetch, clock, ...changes }, signal);
  }

  it.each([
    "application/json",
    "application/jwk-set+json",
    "application/JSON; charset=utf-8",
    "application/vnd.example+json",
  ])("reads JSON of type %s", async (type) => {
    server.answer({ headers: { "content-type": type, "x-name": "value" } });
    const { body, headers } = await ask();
    expect(body).toEqual({ keys: [] });
    expect(headers.get("x-name")).toBe("value");
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    ["another type", { headers: { "content-type": "text/html" } }],
    ["a type that only begins like JSON", { headers: { "content-type": "application/jsonp" } }],
    ["an empty type", { headers: { "content-type": "" } }],
    ["a web page", { body: "<html></html>" }],
    ["truncated JSON", { body: '{"keys":[' }],
    ["nothing", { body: "" }],
    ["UTF-16", { body: Buffer.from('{"keys":[]}', "utf16le") }],
    ["bytes that are no text", { body: Buffer.from([0x7b, 0xff, 0x7d]) }],
    ["status 204", { status: 204 }],
    ["status 304", { status: 304 }],
    ["status 404", { status: 404 }],
  ])("H13: refuses %s as no key set", async (_name, answer) => {
    server.answer(answer);
    await expect(ask()).rejects.toMatchObject(INVALID);
  });

  it("A15: shows nothing of an unreadable body in the error", async () => {
    server.answer({ body: '{"keys":[{"d":"private-part"}' });
    const error: unknown = await ask().catch((reason: unknown) => reason);
    const { inspect } = await import("node:util");
    expect(inspect(error)).not.toContain("private");
  });

  it.each([500, 503, 429, 408])("H6: calls status %i a failure that may pass", async (status) => {
    server.answer({ status });
    await expect(ask()).rejects.toMatchObject(UNAVAILABLE);
  });

  it("H6: calls a cut or refused connection a failure that may pass", async () => {
    server.answer({ reset: true });
    await expect(ask()).rejects.toMatchObject(UNAVAILABLE);
    await expect(ask({ url: "http://127.0.0.1:1/" })).rejects.toMatchObject(UNAVAILABLE);
    const fetch = (): never => {
      throw new TypeError("broken");
    };
    await expect(ask({ fetch })).rejects.toMatchObject({ ...UNAVAILABLE, cause: { message: "broken" } });
  });

  it("H9: refuses what a fetch got that followed a redirect all the same", async () => {
    await using target = await startJwksServer();
    server.answer({ status: 302, headers: { location: target.url } });
    await expect(ask({ fetch: (url) => globalThis.fetch(url) })).rejects.toMatchObject(INVALID);
  });

  it.each([301, 302, 303, 307, 308])("H9: does not follow a redirect with status %i", async (status) => {
    await using target = await startJwksServer();
    server.answer({ status, headers: { location: target.url } });
    await expect(ask()).rejects.toMatchObject(INVALID);
    expect(target.hits).toBe(0);
  });

  it("H11: gives up at the deadline when no answer comes, and closes the connection", async () => {
    server.answer({ after: new Promise(() => {}) });
    const refused = expect(ask()).rejects.toMatchObject(UNAVAILABLE);
    await server.reached(1);
    await clock.advance(2_999);
    expect(server.aborted).toBe(0);
    await clock.advance(1);
    await refused;
    await server.reachedAborts(1);
  });

  it("H11: counts a body that dribbles in against the same deadline", async () => {
    const begun = Promise.withResolvers<void>();
    async function* dribble(): AsyncGenerator<string> {
      yield '{"keys":[';
      begun.resolve();
      await new Promise(() => {});
    }
    server.answer({ body: dribble() });
    const refused = expect(ask()).rejects.toMatchObject(UNAVAILABLE);
    await begun.promise;
    await clock.advance(3_000);
    await refused;
    await server.reachedAborts(1);
  });

  it("H11: does not wait for a fetch that ignores its signal", async () => {
    const refused = expect(ask({ fetch: () => new Promise(() => {}) })).rejects.toMatchObject(UNAVAILABLE);
    await clock.advance(3_000);
    await refused;
  });

  it("H12: takes a body of exactly the cap and refuses one byte more", async () => {
    const fitting = '{"keys":[]}'.padEnd(1_024);
    server.answer({ body: fitting });
    await expect(ask()).resolves.toBeDefined();
    server.answer({ body: `${fitting} ` });
    await expect(ask()).rejects.toMatchObject(INVALID);
  });

  it("H12: stops a body without end at the cap, without reading on", async () => {
    let sent = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (; sent < 300 * MEGABYTE; sent += 65_536) yield Buffer.alloc(65_536, " ");
    }
    server.answer({ body: endless() });
    await expect(ask({ maxBodyBytes: 512 * 1_024 })).rejects.toMatchObject(INVALID);
    await server.reachedAborts(1);
    expect(sent).toBeLessThan(50 * MEGABYTE);
  });

  it("H12: counts bytes after decompression", async () => {
    const bomb = gzipSync(Buffer.alloc(50 * MEGABYTE, " "));
    server.answer({ body: bomb, headers: { "content-encoding": "gzip" } });
    const before = process.memoryUsage().rss;
    await expect(ask({ maxBodyBytes: 512 * 1_024 })).rejects.toMatchObject(INVALID);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * MEGABYTE);
  });

  it("rejects with the reason of the signal, and leaves no timer", async () => {
    const leaving = new AbortController();
    server.answer({ after: new Promise(() => {}) });
    const refused = expect(ask({}, leaving.signal)).rejects.toThrow("leaving");
    await server.reached(1);
    leaving.abort(new Error("leaving"));
    await refused;
    expect(clock.pendingTimers).toBe(0);
    await expect(ask({}, leaving.signal)).rejects.toThrow("leaving");
    expect(server.hits).toBe(1);
  });
});
