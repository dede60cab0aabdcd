import { exportJWK, generateKeyPair } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJwks, type Jwks } from "../../src/jwks/jwks.js";
import type { JwksEvent } from "../../src/jwks/jwks-event.js";
import type { JwksOptions } from "../../src/jwks/jwks-options.js";
import type { JwksSnapshot } from "../../src/jwks/jwks-snapshot.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { createJwksEvents, type JwksEvents } from "../support/jwks-events.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const INVALID = { name: "KeysUnavailableError", code: "ERR_KEYS_INVALID" };
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };

describe("createHydrate()", () => {
  let clock: ManualClock;
  let issuer: TestIssuer;
  let server: JwksServer;
  let events: JwksEvents;
  const open: Jwks[] = [];
  beforeEach(async () => {
    clock = createManualClock();
    issuer = await createTestIssuer();
    events = createJwksEvents();
    server = await startJwksServer(() => ({
      body: issuer.jwks(),
      headers: { etag: '"v1"', "last-modified": "Tue, 06 May 2031 07:08:09 GMT", "cache-control": "max-age=600" },
    }));
  });
  afterEach(async () => {
    for (const jwks of open.splice(0)) jwks[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  function create(options: JwksOptions = {}): Jwks {
    const jwks = createJwks(server.url, {
      allowLoopbackHttp: true,
      clock,
      retries: 0,
      refreshJitterMs: 0,
      onEvent: events.onEvent,
      ...options,
    });
    open.push(jwks);
    return jwks;
  }
  const query = (kid = issuer.kid): { kid: string; alg: string } => ({ kid, alg: "ES256" });
  /** A snapshot as another process would have stored it now. */
  async function take(): Promise<JwksSnapshot> {
    const jwks = create({ onEvent() {} });
    await jwks.getKey(query());
    const snapshot = jwks.snapshot();
    jwks[Symbol.dispose]();
    if (snapshot === undefined) throw new Error("no snapshot");
    return snapshot;
  }
  const outage = (): void => server.answer({ status: 500 });
  /** Waits for the end of a refresh in the background. */
  async function ended(type: JwksEvent["type"], count: number): Promise<void> {
    await events.reached(type, count);
    await clock.advance(0);
  }
  const confirmed = (count = 1): Promise<void> => ended("refreshed", count);
  const failed = (count = 1): Promise<void> => ended("refresh_failed", count);

  it("gives a set in a form that survives JSON, and takes it back", async () => {
    const fetchedAtMs = clock.nowMs();
    const snapshot = await take();
    expect(snapshot).toEqual({
      url: server.url,
      keys: issuer.jwks().keys.map(({ kid, kty, crv, x, y, alg }) => ({ kid, kty, crv, x, y, alg })),
      etag: '"v1"',
      lastModified: "Tue, 06 May 2031 07:08:09 GMT",
      fetchedAtMs,
      ttlMs: 10 * MINUTE,
    });
    outage();
    const jwks = create();
    await clock.advance(MINUTE);
    expect(await jwks.hydrate(JSON.parse(JSON.stringify(snapshot)))).toBe(true);
    expect(jwks.peekKey(query())?.type).toBe("public");
    expect(jwks.status()).toMatchObject({
      usable: true,
      stale: false,
      kids: [issuer.kid],
      ageMs: MINUTE,
      fetchedAtMs,
      expiresAtMs: fetchedAtMs + 10 * MINUTE,
      usableUntilMs: fetchedAtMs + 20 * MINUTE,
    });
    expect(jwks.snapshot()).toEqual(snapshot);
  });

  it("has it confirmed at once, with its validators, and keeps its keys", async () => {
    const snapshot = await take();
    const jwks = create();
    server.answer({ status: 304, headers: { "cache-control": "max-age=60" } });
    await clock.advance(MINUTE);
    await jwks.hydrate(snapshot);
    const key = jwks.peekKey(query());
    await confirmed();
    expect(server.requests.at(-1)?.headers).toMatchObject({
      "if-none-match": '"v1"',
      "if-modified-since": "Tue, 06 May 2031 07:08:09 GMT",
    });
    expect(server.hits).toBe(2);
    expect(jwks.peekKey(query())).toBe(key);
    expect(jwks.status()).toMatchObject({ ageMs: 0, expiresAtMs: clock.nowMs() + MINUTE });
  });

  it("I2: a key removed since it was taken is gone with the confirmation", async () => {
    const snapshot = await take();
    const removed = issuer.kid;
    await issuer.rotate();
    issuer.remove(removed);
    const jwks = create();
    let changes = 0;
    jwks.onChange(() => changes++);
    await jwks.hydrate(snapshot);
    expect(jwks.peekKey(query(removed))).toBeDefined();
    await confirmed();
    expect(jwks.status().kids).toEqual([issuer.kid]);
    expect(changes).toBe(2);
  });

  it("I1: extends no life: the stale window ends when it would have ended, while the issuer is away", async () => {
    const snapshot = await take();
    outage();
    const jwks = create();
    await clock.advance(20 * MINUTE - 1);
    expect(await jwks.hydrate(snapshot)).toBe(true);
    expect(jwks.peekKey(query())).toBeDefined();
    await failed();
    await clock.advance(1);
    expect(jwks.peekKey(query())).toBeUndefined();
    await expect(jwks.getKey(query())).rejects.toMatchObject(UNAVAILABLE);
  });

  it("I1: holds it to the limits of this cache, whatever it says itself", async () => {
    const snapshot = { ...(await take()), ttlMs: Number.POSITIVE_INFINITY };
    outage();
    const jwks = create({ maxTtlMs: 5 * MINUTE, staleWhileErrorMs: MINUTE });
    expect(await jwks.hydrate(snapshot)).toBe(true);
    expect(jwks.status()).toMatchObject({
      expiresAtMs: snapshot.fetchedAtMs + 5 * MINUTE,
      usableUntilMs: snapshot.fetchedAtMs + 6 * MINUTE,
    });
    const later = create({ maxTtlMs: 5 * MINUTE, staleWhileErrorMs: MINUTE });
    await clock.advance(6 * MINUTE);
    expect(await later.hydrate(snapshot)).toBe(false);
  });

  it.each([
    ["of another URL", (taken: JwksSnapshot) => ({ ...taken, url: `${taken.url}?` })],
    ["from the future", (taken: JwksSnapshot) => ({ ...taken, fetchedAtMs: taken.fetchedAtMs + 5 * SECOND + 1 })],
    ["past its stale window", (taken: JwksSnapshot) => ({ ...taken, fetchedAtMs: taken.fetchedAtMs - 20 * MINUTE })],
    ["of no age", (taken: JwksSnapshot) => ({ ...taken, fetchedAtMs: Number.NaN })],
    ["of a garbage age", (taken: JwksSnapshot) => ({ ...taken, fetchedAtMs: "soon" as unknown as number })],
    ["of no life", (taken: JwksSnapshot) => ({ ...taken, ttlMs: Number.NaN })],
    ["of a negative life", (taken: JwksSnapshot) => ({ ...taken, ttlMs: -1 })],
  ])("I1: leaves one %s alone", async (_name, change) => {
    const snapshot = change(await take());
    const jwks = create();
    expect(await jwks.hydrate(snapshot)).toBe(false);
    expect(jwks.status()).toMatchObject({ state: "empty", usable: false });
    expect(server.hits).toBe(1);
  });

  it("takes one from a clock that is a little ahead for one from now", async () => {
    const taken = await take();
    outage();
    const jwks = create();
    expect(await jwks.hydrate({ ...taken, fetchedAtMs: taken.fetchedAtMs + 5 * SECOND })).toBe(true);
    expect(jwks.status()).toMatchObject({ ageMs: 0, usableUntilMs: clock.nowMs() + 20 * MINUTE });
  });

  it.each([
    ["no list of keys", "keys"],
    ["no keys", []],
    ["no usable key", [null, { kty: "oct", kid: "s", k: "c2VjcmV0" }]],
  ])("I1: refuses %s, and keeps what it has", async (_name, keys) => {
    const snapshot = { ...(await take()), keys } as unknown as JwksSnapshot;
    const jwks = create();
    await expect(jwks.hydrate(snapshot)).rejects.toMatchObject(INVALID);
    expect(jwks.status().usable).toBe(false);
    const key = await jwks.getKey(query());
    await clock.advance(MINUTE);
    await expect(jwks.hydrate({ ...snapshot, fetchedAtMs: clock.nowMs() })).rejects.toMatchObject(INVALID);
    expect(jwks.peekKey(query())).toBe(key);
    expect(server.hits).toBe(2);
  });

  it("I1: refuses one with more keys than a set may have", async () => {
    const snapshot = await take();
    const [key] = snapshot.keys;
    if (key === undefined) throw new Error("no key");
    const keys = Array.from({ length: 101 }, (_, index) => ({ ...key, kid: `k${index}` }));
    await expect(create().hydrate({ ...snapshot, keys })).rejects.toMatchObject(INVALID);
  });

  it("A15, I1: leaves out the keys in it that nobody should verify with, as of an answer", async () => {
    const snapshot = await take();
    outage();
    const keys = [...snapshot.keys, { kty: "oct", kid: "s", k: "c2VjcmV0" }] as unknown as JwksSnapshot["keys"];
    const jwks = create();
    expect(await jwks.hydrate({ ...snapshot, keys })).toBe(true);
    expect(jwks.status()).toMatchObject({ kids: [issuer.kid], unusableKeys: 1 });
  });

  it("A15: a published private key is in no snapshot", async () => {
    const { privateKey } = await generateKeyPair("ES256", { extractable: true });
    const leaked = { ...(await exportJWK(privateKey)), kid: "leaked" };
    const [sound] = issuer.jwks().keys;
    server.answer({ body: { keys: [leaked, { ...sound, d2: leaked.d, x5c: [leaked.d] }], secret: leaked.d } });
    const text = JSON.stringify(await take());
    expect(text).toContain(issuer.kid);
    expect(text).not.toContain("leaked");
    expect(text).not.toContain(leaked.d);
  });

  it("I2: leaves an older one alone, and one that is as old as what it has", async () => {
    const older = await take();
    await clock.advance(MINUTE);
    const jwks = create();
    const key = await jwks.getKey(query());
    expect(await jwks.hydrate(older)).toBe(false);
    const own = jwks.snapshot();
    if (own === undefined) throw new Error("no snapshot");
    expect(await jwks.hydrate(own)).toBe(false);
    // As read by clocks of whole milliseconds.
    expect(await jwks.hydrate({ ...own, fetchedAtMs: own.fetchedAtMs + 999 })).toBe(false);
    expect(jwks.peekKey(query())).toBe(key);
    expect(server.hits).toBe(2);
  });

  it("takes a newer one, with the objects of the keys that have not changed", async () => {
    const jwks = create();
    const kid = issuer.kid;
    const key = await jwks.getKey(query());
    await clock.advance(SECOND);
    await issuer.rotate();
    const newer = await take();
    const gate = Promise.withResolvers<void>();
    server.answer({ body: issuer.jwks(), after: gate.promise });
    expect(await jwks.hydrate(newer)).toBe(true);
    expect(jwks.status()).toMatchObject({ ageMs: 0, kids: [kid, issuer.kid] });
    expect(jwks.peekKey(query(kid))).toBe(key);
    gate.resolve();
    await confirmed(2);
    expect(jwks.peekKey(query(kid))).toBe(key);
  });

  it("H17: an answer that is under way wins over it", async () => {
    const gate = Promise.withResolvers<void>();
    const jwks = create();
    const snapshot = await take();
    const removed = issuer.kid;
    await issuer.rotate();
    issuer.remove(removed);
    server.answer({ body: issuer.jwks(), after: gate.promise });
    const waiting = jwks.getKey(query());
    await server.reached(2);
    expect(await jwks.hydrate(snapshot)).toBe(true);
    expect(jwks.status().kids).toEqual([removed]);
    // The confirmation is the request that is under way.
    gate.resolve();
    expect((await waiting).type).toBe("public");
    expect(jwks.status().kids).toEqual([issuer.kid]);
    expect(server.hits).toBe(2);
  });

  it("serves who waits for an answer that fails, when it came meanwhile", async () => {
    const snapshot = await take();
    const jwks = create();
    server.answer({ after: new Promise(() => {}) });
    const waiting = jwks.getKey(query());
    await server.reached(2);
    await jwks.hydrate(snapshot);
    await clock.advance(3 * SECOND);
    expect(await waiting).toBe(jwks.peekKey(query()));
  });

  it("goes on trying when the confirmation fails", async () => {
    const snapshot = await take();
    outage();
    const jwks = create();
    await jwks.hydrate(snapshot);
    await failed();
    expect(jwks.status()).toMatchObject({ usable: true, nextRefreshAtMs: clock.nowMs() + 30 * SECOND });
    server.answer({ status: 304 });
    await clock.advance(30 * SECOND);
    await confirmed();
    expect(jwks.status()).toMatchObject({ ageMs: 0, consecutiveFailures: 0 });
  });

  it("H6: has it confirmed when the pause after a failure ends, not before", async () => {
    const snapshot = await take();
    server.answer({ status: 503, headers: { "retry-after": "90" } });
    const jwks = create();
    await expect(jwks.getKey(query())).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 90 * SECOND });
    await clock.advance(10 * SECOND);
    expect(await jwks.hydrate(snapshot)).toBe(true);
    expect(await jwks.getKey(query())).toBe(jwks.peekKey(query()));
    expect(jwks.status()).toMatchObject({ state: "ready", nextRefreshAtMs: clock.nowMs() + 80 * SECOND });
    server.answer({ status: 304 });
    await clock.advance(80 * SECOND - 1);
    expect(server.hits).toBe(2);
    await clock.advance(1);
    await confirmed();
    expect(server.hits).toBe(3);
  });

  it("gives none before there is a set, and none past the stale window", async () => {
    const jwks = create();
    expect(jwks.snapshot()).toBeUndefined();
    await jwks.getKey(query());
    outage();
    await clock.advance(20 * MINUTE - 1);
    expect(jwks.snapshot()?.keys).toHaveLength(1);
    await clock.advance(1);
    expect(jwks.snapshot()).toBeUndefined();
  });

  it("D7: says when the set was fetched by the clock as it is now, so that its age stays true", async () => {
    const jwks = create();
    await jwks.getKey(query());
    await clock.advance(MINUTE);
    clock.setWallClock(clock.nowMs() - 60 * MINUTE);
    expect(jwks.snapshot()?.fetchedAtMs).toBe(clock.nowMs() - MINUTE);
    const snapshot = jwks.snapshot();
    if (snapshot === undefined) throw new Error("no snapshot");
    outage();
    const other = create();
    expect(await other.hydrate(snapshot)).toBe(true);
    expect(other.status().ageMs).toBe(MINUTE);
    // From then on the wall clock has no say.
    clock.setWallClock(clock.nowMs() + 120 * MINUTE);
    expect(other.status()).toMatchObject({ ageMs: MINUTE, stale: false });
  });

  it("H16: takes and gives nothing once disposed, not even what it was reading", async () => {
    const snapshot = await take();
    const jwks = create();
    const hydrating = expect(jwks.hydrate(snapshot)).rejects.toMatchObject(UNAVAILABLE);
    jwks[Symbol.dispose]();
    await hydrating;
    await expect(jwks.hydrate(snapshot)).rejects.toMatchObject(UNAVAILABLE);
    expect(jwks.snapshot()).toBeUndefined();
    expect(jwks.status()).toMatchObject({ state: "empty", usable: false });
    expect(clock.pendingTimers).toBe(0);
    expect(server.hits).toBe(1);
  });
});
