import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KeysUnavailableError } from "../../src/errors.js";
import { parseAllowedDomains } from "../../src/jwks/allowed-domains.js";
import { fetchJwks, type JwksRequest, type JwksResponse } from "../../src/jwks/fetch.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";

const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };
const INVALID = { name: "KeysUnavailableError", code: "ERR_KEYS_INVALID" };
const rules: JwksRequest["rules"] = { allowLoopbackHttp: true, allowedDomains: undefined };
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
    const limits = { timeoutMs: 3_000, maxBodyBytes: 1_024, maxRedirects: 0 };
    return fetchJwks({ url: server.url, ...limits, rules, validators: undefined, fetch, clock, ...changes }, signal);
  }

  it.each([
    "application/json",
    "application/jwk-set+json",
    "application/JSON; charset=utf-8",
    "application/vnd.example+json",
    "model/keys+json;v=1",
    "application/json ; charset=utf-8",
  ])("reads JSON of type %s", async (type) => {
    server.answer({ headers: { "content-type": type, "x-name": "value" } });
    const response = await ask();
    expect(response).toMatchObject({ notModified: false, body: { keys: [] } });
    expect(response.headers.get("x-name")).toBe("value");
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    ["another type", { headers: { "content-type": "text/html" } }],
    ["a type that only begins like JSON", { headers: { "content-type": "application/jsonp" } }],
    ["no subtype", { headers: { "content-type": "+json" } }],
    ["text/json", { headers: { "content-type": "text/json" } }],
    ["two types", { headers: { "content-type": "application/json, text/html" } }],
    ["deep nesting", { body: `{"keys":${"[".repeat(16)}${"]".repeat(16)}}` }],
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

  it.each([408, 429, 500, 502, 503])("H6: says how long an answer of status %i asks to wait", async (status) => {
    const wait = async (headers: Readonly<Record<string, string>>): Promise<unknown> => {
      server.answer({ status, headers });
      const error = await ask().catch((reason: unknown) => reason);
      return (error as KeysUnavailableError).retryAfterMs;
    };
    expect(await wait({ "retry-after": "7" })).toBe(7_000);
    expect(await wait({ "retry-after": "86400" })).toBe(3_600_000);
    expect(await wait({ "retry-after": new Date(clock.nowMs() + 90_000).toUTCString() })).toBeGreaterThan(88_000);
    expect(await wait({ "retry-after": "later" })).toBeUndefined();
    expect(await wait({})).toBeUndefined();
  });

  it("H8: asks whether the set in hand is still the one, and hears that it is", async () => {
    server.answer({ status: 304, headers: { "cache-control": "max-age=60", etag: '"v2"' } });
    const validators = { etag: '"v1"', lastModified: "Fri, 06 Nov 2026 08:49:37 GMT" };
    const response = await ask({ validators });
    expect(response.notModified).toBe(true);
    expect(response.headers.get("etag")).toBe('"v2"');
    expect(server.requests[0]?.headers).toMatchObject({
      "if-none-match": '"v1"',
      "if-modified-since": "Fri, 06 Nov 2026 08:49:37 GMT",
    });
  });

  it("H8: takes another set when it is not", async () => {
    expect(await ask({ validators: { etag: '"v1"' } })).toMatchObject({ notModified: false, body: { keys: [] } });
  });

  it("H8: asks without conditions when nothing is in hand, and refuses to hear of a set that it never had", async () => {
    server.answer({ status: 304 });
    for (const validators of [undefined, {}, { etag: "not a tag" }]) {
      await expect(ask({ validators })).rejects.toMatchObject({
        ...INVALID,
        message: expect.stringContaining("not modified, but nothing was held"),
      });
    }
    for (const { headers } of server.requests) {
      expect(headers).not.toHaveProperty("if-none-match");
      expect(headers).not.toHaveProperty("if-modified-since");
    }
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

  it("H9: does not follow a redirect that a browser shows as an answer without a status", async () => {
    const opaque = { status: 0, type: "opaqueredirect", redirected: false, headers: new Headers(), body: null };
    const fetch = async (): Promise<Response> => opaque as Response;
    await expect(ask({ fetch, maxRedirects: 5 })).rejects.toMatchObject(INVALID);
  });

  it.each([301, 302, 303, 307, 308])("H9: follows status %i within the origin when permitted", async (status) => {
    server.answer((hit) => (hit === 1 ? { status, headers: { location: "/moved?x=1" } } : {}));
    const validators = { etag: '"v1"' };
    expect(await ask({ maxRedirects: 1, validators })).toMatchObject({ notModified: false, body: { keys: [] } });
    expect(server.requests.map(({ method, url }) => `${method} ${url}`)).toEqual(["GET /jwks.json", "GET /moved?x=1"]);
    expect(server.requests[1]?.headers).toMatchObject({ "if-none-match": '"v1"', accept: expect.any(String) });
  });

  it("H9: ends a loop after as many redirects as permitted", async () => {
    server.answer({ status: 302, headers: { location: "/jwks.json" } });
    await expect(ask({ maxRedirects: 3 })).rejects.toMatchObject(INVALID);
    expect(server.hits).toBe(4);
  });

  it("H9: sends nothing to another origin, at whatever redirect it is named", async () => {
    await using target = await startJwksServer();
    server.answer((hit) => ({ status: 307, headers: { location: hit === 1 ? "/on" : target.url } }));
    await expect(ask({ maxRedirects: 5 })).rejects.toMatchObject(INVALID);
    expect(server.hits).toBe(2);
    expect(target.hits).toBe(0);
  });

  it("H9: holds each redirect to the rules of the URL", async () => {
    server.answer({ status: 302, headers: { location: "/on" } });
    const elsewhere = parseAllowedDomains(["idp.example"], "list");
    await expect(ask({ maxRedirects: 5, rules: { ...rules, allowedDomains: elsewhere } })).rejects.toMatchObject(
      INVALID,
    );
    expect(server.hits).toBe(1);
  });

  it("H9: does not read the body of a redirect", async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) yield Buffer.alloc(65_536, " ");
    }
    const redirect = { status: 302, headers: { location: "/on" }, body: endless() };
    // The answer after it waits until the connection of the redirect is closed.
    server.answer((hit) => (hit === 1 ? redirect : { after: server.reachedAborts(1) }));
    expect(await ask({ maxRedirects: 1 })).toMatchObject({ body: { keys: [] } });
  });

  it("H11: has one deadline for all redirects", async () => {
    const gates = [0, 1, 2].map(() => Promise.withResolvers<void>());
    server.answer((hit) => ({
      status: 302,
      headers: { location: "/on" },
      after: gates[hit - 1]?.promise ?? Promise.resolve(),
    }));
    const refused = expect(ask({ maxRedirects: 9 })).rejects.toMatchObject(UNAVAILABLE);
    for (const [index, gate] of gates.entries()) {
      await server.reached(index + 1);
      await clock.advance(1_000);
      gate.resolve();
    }
    await refused;
    expect(server.hits).toBe(3);
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

  it("H11: gives up the answer of a fetch that ignored its signal, when it comes at last", async () => {
    const answer = Promise.withResolvers<Response>();
    const cancelled = Promise.withResolvers<void>();
    const refused = expect(ask({ fetch: () => answer.promise })).rejects.toMatchObject(UNAVAILABLE);
    await clock.advance(3_000);
    await refused;
    answer.resolve(new Response(new ReadableStream({ cancel: () => cancelled.resolve() })));
    await cancelled.promise;
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
