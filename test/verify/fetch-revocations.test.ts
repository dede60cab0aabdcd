import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { type FetchRevocationsOptions, fetchRevocations } from "../../src/verify/fetch-revocations.js";
import { createPolledRevocation, type LoadRevocations } from "../../src/verify/polled-revocation.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";

const ENTRY = { issuer: "https://a.test", jti: "t1" };
const QUERY = { issuer: "https://a.test", kid: "k1", jti: "t1", subject: "alice", issuedAt: 1_000 };
const INVALID = { name: "KeysUnavailableError", code: "ERR_KEYS_INVALID" };
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };

describe("fetchRevocations()", () => {
  let clock: ManualClock;
  let server: JwksServer;

  beforeEach(async () => {
    clock = createManualClock();
    server = await startJwksServer({ body: { revoked: [ENTRY] } });
  });
  afterEach(() => server[Symbol.asyncDispose]());

  function create(options: FetchRevocationsOptions = {}): LoadRevocations {
    return fetchRevocations(server.url, { allowLoopbackHttp: true, clock, ...options });
  }
  const { signal } = new AbortController();

  it("E12: loads the list that tells what is revoked", async () => {
    using revocation = createPolledRevocation(create(), { clock });
    await revocation.refresh();
    expect(revocation.isRevoked(QUERY)).toBe(true);
    expect(revocation.isRevoked({ ...QUERY, jti: "t2" })).toBe(false);
    expect(server.requests[0]?.headers.accept).toBe("application/json");
  });

  it("does not have a list sent again that is still the same", async () => {
    const load = create();
    server.answer((hit) => {
      const { headers } = server.requests[hit - 1] ?? {};
      const isHeld = headers?.["if-none-match"] === '"v1"';
      return { status: isHeld ? 304 : 200, headers: { etag: '"v1"' }, body: isHeld ? "" : { revoked: [ENTRY] } };
    });
    expect(await load({ signal })).toEqual([ENTRY]);
    expect(await load({ signal })).toEqual([ENTRY]);
    expect(server.requests[1]?.headers["if-none-match"]).toBe('"v1"');
    server.answer({ headers: { etag: '"v2"' }, body: { revoked: [] } });
    expect(await load({ signal })).toEqual([]);
  });

  it("refuses to take nothing for a list that it does not hold", async () => {
    const load = create();
    server.answer({ status: 304, body: "" });
    await expect(load({ signal })).rejects.toMatchObject(INVALID);
    server.answer({ body: { revoked: [ENTRY] } });
    await load({ signal });
    server.answer({ status: 304, body: "" });
    await expect(load({ signal })).rejects.toMatchObject(INVALID);
  });

  it.each<readonly [string, object]>([
    ["no list", { body: {} }],
    ["a list by inheritance", { body: '{"__proto__":{"revoked":[]}}' }],
    ["another type than a list", { body: { revoked: {} } }],
    ["an array", { body: [ENTRY] }],
    ["text", { body: "<html>", headers: { "content-type": "text/html" } }],
    ["half a document", { body: '{"revoked":[' }],
    ["two lists", { body: '{"revoked":[{"issuer":"https://a.test","jti":"t1"}],"revoked":[]}' }],
    ["a status of 404", { status: 404, body: { revoked: [] } }],
    ["a redirect", { status: 307, headers: { location: "/other.json" }, body: { revoked: [] } }],
    ["more bytes than permitted", { body: { revoked: [], filling: "x".repeat(2_000) } }],
  ])("E12: takes %s for no list", async (_, answer) => {
    server.answer(answer);
    await expect(create({ maxBodyBytes: 1_000 })({ signal })).rejects.toMatchObject(INVALID);
    expect(server.hits).toBe(1);
  });

  it.each<readonly [string, object, object]>([
    ["a status of 503", { status: 503, headers: { "retry-after": "7" } }, { ...UNAVAILABLE, retryAfterMs: 7_000 }],
    ["a broken connection", { reset: true }, UNAVAILABLE],
  ])("says that it could not be had after %s", async (_, answer, expected) => {
    server.answer(answer);
    await expect(create()({ signal })).rejects.toMatchObject(expected);
  });

  it("gives up when the answer takes too long, and when nobody waits any more", async () => {
    server.answer({ after: new Promise(() => {}) });
    const late = create({ timeoutMs: 500 })({ signal });
    late.catch(() => {});
    await server.reached(1);
    await clock.advance(500);
    await expect(late).rejects.toMatchObject(UNAVAILABLE);
    const leaving = new AbortController();
    const left = create()({ signal: leaving.signal });
    left.catch(() => {});
    await server.reached(2);
    const reason = new Error("left");
    leaving.abort(reason);
    await expect(left).rejects.toBe(reason);
    await server.reachedAborts(2);
    expect(clock.pendingTimers).toBe(0);
  });

  it("waits as long as it is asked to between two loads, but not longer than the interval", async () => {
    server.answer({ status: 503, headers: { "retry-after": "20" } });
    using revocation = createPolledRevocation(create(), { clock });
    await expect(revocation.refresh()).rejects.toMatchObject({ code: "ERR_REVOCATION_UNAVAILABLE" });
    server.answer({ status: 503, headers: { "retry-after": "3600" } });
    await clock.advance(19_999);
    expect(server.hits).toBe(1);
    await clock.advance(1);
    await server.reached(2);
    await expect(revocation.refresh()).rejects.toMatchObject({ code: "ERR_REVOCATION_UNAVAILABLE" });
    const { hits } = server;
    await clock.advance(29_999);
    expect(server.hits).toBe(hits);
    await clock.advance(1);
    await server.reached(hits + 1);
  });

  it("I5: refuses URLs and options that cannot be used, by name", () => {
    expect(() => fetchRevocations("http://a.test/revoked.json")).toThrow(/url must be an https: URL/);
    expect(() => fetchRevocations(server.url)).toThrow(/url must be an https: URL/);
    expect(() => fetchRevocations("/revoked.json")).toThrow(/url must be an absolute URL/);
    expect(() => fetchRevocations("https://user@a.test/revoked.json")).toThrow(/user name/);
    expect(() => create({ timeoutMs: 0 })).toThrow(/timeoutMs must be a positive/);
    expect(() => create({ maxBodyBytes: 0 })).toThrow(/maxBodyBytes must be a positive/);
    expect(() => create({ fetch: "fetch" as never })).toThrow(/fetch must be a function/);
    expect(() => create({ url: "" } as object)).toThrow(/url is not an option/);
  });
});
