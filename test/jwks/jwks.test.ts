import { exportJWK, generateKeyPair, jwtVerify, SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJwks, type Jwks } from "../../src/jwks/jwks.js";
import type { JwksFetch, JwksOptions } from "../../src/jwks/jwks-options.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };
const INVALID = { name: "KeysUnavailableError", code: "ERR_KEYS_INVALID" };
const NOT_FOUND = { name: "TokenRejectedError", code: "ERR_KEY_NOT_FOUND" };

describe("createJwks()", () => {
  let issuer: TestIssuer;
  let server: JwksServer;
  let clock: ManualClock;
  const open: Jwks[] = [];

  beforeEach(async () => {
    issuer = await createTestIssuer();
    server = await startJwksServer(() => ({ body: issuer.jwks() }));
    clock = createManualClock();
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
      ...options,
    });
    open.push(jwks);
    return jwks;
  }
  const query = (kid = issuer.kid): { kid: string; alg: string } => ({ kid, alg: "ES256" });
  const outage = (): void => server.answer({ status: 500 });
  const works = (): void => server.answer(() => ({ body: issuer.jwks() }));

  it("fetches nothing until a key is asked for, and then once", async () => {
    const jwks = create();
    expect(jwks.status()).toMatchObject({ state: "empty", usable: false });
    expect(server.hits).toBe(0);
    const key = await jwks.getKey(query());
    expect(await jwks.getKey(query())).toBe(key);
    expect(jwks.peekKey(query())).toBe(key);
    expect(key.extractable).toBe(false);
    expect(key.usages).toEqual(["verify"]);
    expect(server.hits).toBe(1);
    expect(server.requests[0]?.headers.accept).toContain("application/jwk-set+json");
    expect(jwks.status()).toMatchObject({ state: "ready", usable: true, stale: false, kids: [issuer.kid] });
  });

  it("resolves keys for jose", async () => {
    const jwks = create();
    const { payload } = await jwtVerify(await issuer.mint(), jwks, {
      issuer: issuer.issuer,
      audience: issuer.audience,
    });
    expect(payload.sub).toBe("alice");
    const { privateKey } = await generateKeyPair("ES256");
    const forged = new SignJWT({}).setProtectedHeader({ alg: "ES256", kid: issuer.kid });
    await expect(jwtVerify(await forged.sign(privateKey), jwks)).rejects.toMatchObject({
      code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    });
  });

  it("H1: serves 500 cold callers from one request, though the first of them leaves", async () => {
    const gate = Promise.withResolvers<void>();
    server.answer(() => ({ body: issuer.jwks(), after: gate.promise }));
    const jwks = create();
    const leaving = new AbortController();
    const first = jwks.getKey(query(), { signal: leaving.signal });
    const others = Array.from({ length: 499 }, () => jwks.getKey(query()));
    await server.reached(1);
    expect(jwks.status().state).toBe("loading");
    leaving.abort(new Error("gone"));
    await expect(first).rejects.toThrow("gone");
    gate.resolve();
    expect(new Set(await Promise.all(others)).size).toBe(1);
    expect(server.hits).toBe(1);
  });

  it("H1: turns away callers beyond the cap while the first request is under way", async () => {
    const gate = Promise.withResolvers<void>();
    server.answer(() => ({ body: issuer.jwks(), after: gate.promise }));
    const jwks = create({ maxPendingCallers: 3 });
    const waiting = Array.from({ length: 3 }, () => jwks.getKey(query()));
    await expect(jwks.getKey(query())).rejects.toMatchObject({ code: "ERR_TOO_MANY_PENDING" });
    gate.resolve();
    await Promise.all(waiting);
  });

  describe("unknown kids", () => {
    it("H2: cost one request per cooldown, however many there are, and known kids notice nothing", async () => {
      const jwks = create();
      const key = await jwks.getKey(query());
      const strangers = await Promise.allSettled(
        Array.from({ length: 1_000 }, (_, index) => jwks.getKey(query(`stranger-${index}`))),
      );
      expect(strangers.every(({ status }) => status === "rejected")).toBe(true);
      expect(server.hits).toBe(2);
      for (let index = 0; index < 20_000; index++) {
        await expect(jwks.getKey(query(`other-${index}`))).rejects.toMatchObject(NOT_FOUND);
      }
      expect(await jwks.getKey(query())).toBe(key);
      expect(server.hits).toBe(2);
      await clock.advance(30 * SECOND);
      await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(NOT_FOUND);
      expect(server.hits).toBe(3);
    });

    it("H2: join one request up to the cap; more are turned away, and known kids are served meanwhile", async () => {
      const jwks = create({ maxPendingCallers: 1_000 });
      const key = await jwks.getKey(query());
      const gate = Promise.withResolvers<void>();
      server.answer(() => ({ body: issuer.jwks(), after: gate.promise }));
      const joined = Promise.allSettled(Array.from({ length: 1_000 }, (_, index) => jwks.getKey(query(`s-${index}`))));
      await expect(jwks.getKey(query("one-more"))).rejects.toMatchObject({ code: "ERR_TOO_MANY_PENDING" });
      expect(await jwks.getKey(query())).toBe(key);
      gate.resolve();
      expect((await joined).filter(({ status }) => status === "rejected")).toHaveLength(1_000);
      expect(server.hits).toBe(2);
    });

    it.each([
      ["a set without keys", { body: { keys: [] } }, INVALID],
      ["status 500", { status: 500 }, UNAVAILABLE],
      ["a cut connection", { reset: true }, UNAVAILABLE],
      ["a web page", { body: "<html>", headers: { "content-type": "text/html" } }, INVALID],
    ])("H3: cost one request per cooldown while the answer is %s", async (_name, answer, expected) => {
      const jwks = create();
      const key = await jwks.getKey(query());
      server.answer(answer);
      for (let index = 0; index < 100; index++) {
        await expect(jwks.getKey(query(`stranger-${index}`))).rejects.toMatchObject(expected);
      }
      expect(server.hits).toBe(2);
      expect(await jwks.getKey(query())).toBe(key);
      await clock.advance(29 * SECOND);
      await expect(jwks.getKey(query("late"))).rejects.toMatchObject(expected);
      expect(server.hits).toBe(2);
    });

    it("H3: cost no request while a refresh has failed within the cooldown", async () => {
      let requests = 0;
      const fetch: JwksFetch = async () =>
        requests++ === 0 ? Response.json(issuer.jwks()) : new Response(null, { status: 500 });
      const jwks = create({ fetch });
      await jwks.getKey(query());
      await clock.advance(9.5 * MINUTE);
      expect(jwks.status()).toMatchObject({ usable: true, consecutiveFailures: 1 });
      await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(UNAVAILABLE);
      expect(requests).toBe(2);
    });

    it("H3: cost one request per cooldown over many of them while each fails", async () => {
      let requests = 0;
      let body: unknown = issuer.jwks();
      const jwks = create({
        retries: 2,
        fetch: async () => {
          requests++;
          return body === undefined ? new Response(null, { status: 500 }) : Response.json(body);
        },
      });
      const key = await jwks.getKey(query());
      body = undefined;
      for (let cooldown = 0; cooldown < 10; cooldown++) {
        await expect(jwks.getKey(query(`stranger-${cooldown}`))).rejects.toMatchObject(UNAVAILABLE);
        await expect(jwks.getKey(query(`other-${cooldown}`))).rejects.toMatchObject(UNAVAILABLE);
        expect(requests).toBe(2 + cooldown);
        await clock.advance(30 * SECOND - 1);
        expect(requests).toBe(2 + cooldown);
        await clock.advance(1);
      }
      expect(await jwks.getKey(query())).toBe(key);
    });

    it("H3: cost one request while it hangs, and are answered when its deadline passes", async () => {
      const jwks = create();
      await jwks.getKey(query());
      server.answer({ after: new Promise(() => {}) });
      const refused = expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(UNAVAILABLE);
      await server.reached(2);
      await clock.advance(3 * SECOND);
      await refused;
      await expect(jwks.getKey(query("other"))).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 27 * SECOND });
      await server.reachedAborts(1);
      expect(server.hits).toBe(2);
    });

    it("finds a key published right after the start: the first request arms no cooldown", async () => {
      const jwks = create();
      await jwks.getKey(query());
      await issuer.rotate();
      await expect(jwks.getKey(query())).resolves.toBeDefined();
      expect(server.hits).toBe(2);
    });

    it("J5: finds a key published during the cooldown when it ends", async () => {
      const jwks = create();
      await jwks.getKey(query());
      await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(NOT_FOUND);
      await issuer.rotate();
      await expect(jwks.getKey(query())).rejects.toMatchObject(NOT_FOUND);
      await clock.advance(30 * SECOND);
      await expect(jwks.getKey(query())).resolves.toBeDefined();
      expect(server.hits).toBe(3);
    });

    it("A11: refuses a token without a kid, even when the set has one key", async () => {
      const jwks = create();
      await expect(jwks.getKey({ alg: "ES256" })).rejects.toMatchObject(NOT_FOUND);
      await expect(jwks.getKey({ kid: 7 as unknown as string, alg: "ES256" })).rejects.toMatchObject(NOT_FOUND);
      expect(server.hits).toBe(0);
    });

    it("H2: a bad signature under a known kid causes no request", async () => {
      const jwks = create();
      await jwtVerify(await issuer.mint(), jwks);
      const { privateKey } = await generateKeyPair("ES256");
      for (let forgery = 0; forgery < 50; forgery++) {
        const forged = new SignJWT({ forgery }).setProtectedHeader({ alg: "ES256", kid: issuer.kid });
        await expect(jwtVerify(await forged.sign(privateKey), jwks)).rejects.toMatchObject({
          code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        });
      }
      expect(server.hits).toBe(1);
    });

    it("A13: gives no other key for an unknown kid", async () => {
      const jwks = create();
      await issuer.rotate();
      const token = await issuer.mint({ header: { kid: "unknown" } });
      await expect(jwtVerify(token, jwks)).rejects.toMatchObject(NOT_FOUND);
      await expect(jwks.getPublicKeys({ kid: "unknown" })).rejects.toMatchObject(NOT_FOUND);
    });

    it("asks nobody for a known kid with an algorithm that is not its own", async () => {
      const jwks = create();
      await jwks.getKey(query());
      await expect(jwks.getKey({ kid: issuer.kid, alg: "RS256" })).rejects.toMatchObject({ code: "ERR_KEY_UNUSABLE" });
      await expect(jwks.getKey({ kid: issuer.kid })).rejects.toMatchObject({ code: "ERR_KEY_UNUSABLE" });
      expect(server.hits).toBe(1);
    });
  });

  describe("freshness", () => {
    it("replaces the set in the background before it is stale", async () => {
      server.answer(() => ({ body: issuer.jwks(), headers: { "cache-control": "max-age=600" } }));
      const jwks = create();
      const key = await jwks.getKey(query());
      const gate = Promise.withResolvers<void>();
      server.answer({ body: issuer.jwks(), after: gate.promise });
      await clock.advance(9 * MINUTE + 29 * SECOND);
      expect(server.hits).toBe(1);
      await clock.advance(1 * SECOND);
      await server.reached(2);
      expect(jwks.status().state).toBe("refreshing");
      expect(await jwks.getKey(query())).toBe(key);
      const joined = jwks.refresh();
      gate.resolve();
      await joined;
      expect(server.hits).toBe(2);
      expect(jwks.status()).toMatchObject({ stale: false, ageMs: 0 });
      expect(jwks.peekKey(query())).toBe(key);
    });

    it("H6: nobody waits for a server that hangs, while keys are fresh or within the stale window", async () => {
      const jwks = create({ retries: 2 });
      const key = await jwks.getKey(query());
      server.answer({ after: new Promise(() => {}) });
      await clock.advance(9.5 * MINUTE);
      await server.reached(2);
      expect(jwks.status()).toMatchObject({ state: "refreshing", stale: false });
      expect(await jwks.getKey(query())).toBe(key);
      await clock.advance(30 * SECOND);
      const { hits } = server;
      await clock.advance((jwks.status().nextRefreshAtMs ?? Number.NaN) - clock.nowMs());
      await server.reached(hits + 1);
      expect(jwks.status()).toMatchObject({ state: "refreshing", stale: true, usable: true });
      expect(await jwks.getKey(query())).toBe(key);
      expect(await jwks.getPublicKeys({ kid: issuer.kid })).toHaveLength(1);
    });

    it("asks again when refreshed by hand, however fresh the set is, once for all who ask", async () => {
      const jwks = create();
      await jwks.getKey(query());
      await Promise.all([jwks.refresh(), jwks.refresh(), jwks.refresh()]);
      expect(server.hits).toBe(2);
      const gone = { signal: AbortSignal.abort(new Error("gone")) };
      await expect(jwks.refresh(gone)).rejects.toThrow("gone");
      expect(server.hits).toBe(2);
    });

    it("gives the keys as published, without what is nobody's business", async () => {
      const { keys } = issuer.jwks();
      server.answer({ body: { keys: [{ ...keys[0], x5u: "https://evil.example", deep: { note: [] } }, null] } });
      const jwks = create();
      const published = keys.map(({ kid, kty, crv, x, y, alg }) => ({ kid, kty, crv, x, y, alg }));
      expect(await jwks.getPublicKeys()).toEqual(published);
      expect(await jwks.getPublicKeys({ kid: issuer.kid })).toEqual(published);
      expect(server.hits).toBe(1);
    });

    it.each([
      ["max-age below the minimum", "max-age=1", 30 * SECOND],
      ["no-store", "no-store", 30 * SECOND],
      ["max-age above the maximum", "max-age=315360000", 60 * MINUTE],
      ["nothing", "", 10 * MINUTE],
      ["nonsense", "max-age=soon", 30 * SECOND],
    ])("holds what the response says between bounds: %s", async (_name, header, ttlMs) => {
      server.answer(() => ({ body: issuer.jwks(), headers: { "cache-control": header } }));
      const jwks = create();
      await jwks.getKey(query());
      outage();
      await clock.advance(ttlMs - 1);
      expect(jwks.status().stale).toBe(false);
      await clock.advance(1);
      expect(jwks.status().stale).toBe(true);
    });

    it("E9: a key taken out of the set is gone when the set is replaced", async () => {
      const jwks = create();
      const removed = issuer.kid;
      await jwks.getKey(query());
      await issuer.rotate();
      issuer.remove(removed);
      let changes = 0;
      const listening = jwks.onChange(() => changes++);
      await jwks.refresh();
      expect(jwks.peekKey(query(removed))).toBeUndefined();
      expect(jwks.peekKey(query())).toBeDefined();
      expect(changes).toBe(1);
      await jwks.refresh();
      expect(changes).toBe(1);
      listening[Symbol.dispose]();
      await issuer.rotate();
      await jwks.refresh();
      expect(changes).toBe(1);
    });

    it("H17: drops an older answer that comes after a newer one", async () => {
      const jwks = create();
      await jwks.getKey(query());
      const gate = Promise.withResolvers<void>();
      const old = issuer.jwks();
      server.answer({ body: old, after: gate.promise });
      const slow = jwks.getKey(query("stranger"));
      await server.reached(2);
      await issuer.rotate();
      works();
      await jwks.refresh();
      gate.resolve();
      await expect(slow).rejects.toMatchObject(NOT_FOUND);
      expect(jwks.status().kids).toHaveLength(2);
    });
  });

  describe("outages", () => {
    it("H6: retries with waits in between, inside the total deadline", async () => {
      server.answer((hit) => (hit < 3 ? { status: 503 } : { body: issuer.jwks() }));
      const jwks = create({ retries: 2 });
      const key = jwks.getKey(query());
      await server.reached(1);
      while (server.hits < 3) await clock.advance(50);
      await expect(key).resolves.toBeDefined();
      expect(jwks.status().consecutiveFailures).toBe(0);
    });

    it.each([404, 401, 301, 304])("H6: does not repeat a request answered with status %i", async (status) => {
      server.answer({ status });
      await expect(create({ retries: 2 }).getKey(query())).rejects.toMatchObject(INVALID);
      expect(server.hits).toBe(1);
    });

    it("H6: cold, refuses as unavailable and asks again when the cooldown ends", async () => {
      outage();
      const jwks = create();
      await expect(jwks.getKey(query())).rejects.toMatchObject(UNAVAILABLE);
      works();
      await clock.advance(10 * SECOND);
      await expect(jwks.getKey(query())).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 20 * SECOND });
      expect(server.hits).toBe(1);
      await clock.advance(20 * SECOND);
      await expect(jwks.getKey(query())).resolves.toBeDefined();
      expect(server.hits).toBe(2);
    });

    it("H7: serves through an outage as long as the stale window, and not a moment longer", async () => {
      server.answer(() => ({ body: issuer.jwks(), headers: { "cache-control": "max-age=60" } }));
      const jwks = create({ staleWhileErrorMs: 5 * MINUTE });
      const key = await jwks.getKey(query());
      outage();
      await clock.advance(6 * MINUTE - 1);
      expect(jwks.status()).toMatchObject({ usable: true, stale: true, lastFailure: "ERR_KEYS_UNAVAILABLE" });
      expect(await jwks.getKey(query())).toBe(key);
      await clock.advance(1);
      expect(jwks.peekKey(query())).toBeUndefined();
      await expect(jwks.getKey(query())).rejects.toMatchObject(UNAVAILABLE);
    });

    it("H7: counts the age of a set from the request for it: what took long to come may be old by then", async () => {
      const jwks = create({
        async fetch() {
          await clock.advance(2 * SECOND);
          return Response.json(issuer.jwks(), { headers: { "cache-control": "max-age=60" } });
        },
      });
      await jwks.getKey(query());
      expect(jwks.status()).toMatchObject({ stale: false, ageMs: 2 * SECOND });
    });

    it("H7: comes back by itself, no caller waiting for it", async () => {
      server.answer(() => ({ body: issuer.jwks(), headers: { "cache-control": "max-age=60" } }));
      const jwks = create();
      await jwks.getKey(query());
      outage();
      await clock.advance(48 * SECOND);
      await expect(jwks.refresh()).rejects.toMatchObject(UNAVAILABLE);
      works();
      const hits = server.hits;
      await clock.advance(30 * SECOND);
      await server.reached(hits + 1);
      await jwks.refresh();
      expect(jwks.status()).toMatchObject({ consecutiveFailures: 0, lastFailure: undefined, stale: false });
    });

    it("H11: a body of one byte per 100 ms ends with the deadlines", async () => {
      async function* dribble(): AsyncGenerator<string> {
        for (;;) {
          yield " ";
          await new Promise<void>((resolve) => void clock.setTimer(resolve, 100));
        }
      }
      server.answer(() => ({ body: dribble() }));
      const jwks = create({ retries: 9, retryMinDelayMs: 0 });
      let endedAtMs: number | undefined;
      const refused = expect(
        jwks.getKey(query()).finally(() => {
          endedAtMs = clock.monotonicMs();
        }),
      ).rejects.toMatchObject(UNAVAILABLE);
      for (let hits = 1; endedAtMs === undefined; hits++) {
        await Promise.race([server.reached(hits), refused]);
        await clock.advance(3 * SECOND);
      }
      await refused;
      expect(endedAtMs).toBeLessThanOrEqual(8 * SECOND);
      await server.reachedAborts(3);
    });

    it("E8: accepts nothing while there are no keys", async () => {
      outage();
      const jwks = create();
      const { privateKey } = await generateKeyPair("ES256");
      const claims = { sub: "alice" };
      const header = { alg: "ES256", kid: issuer.kid };
      const asymmetric = await new SignJWT(claims).setProtectedHeader(header).sign(privateKey);
      const symmetric = await new SignJWT(claims)
        .setProtectedHeader({ alg: "HS256", kid: issuer.kid })
        .sign(new Uint8Array(32));
      for (const token of [asymmetric, symmetric, await issuer.mint()]) {
        await expect(jwtVerify(token, jwks)).rejects.toMatchObject(UNAVAILABLE);
      }
      expect(server.hits).toBe(1);
    });

    it("H14, A14, A15, A16: skips what nobody should verify with, and keeps the good key", async () => {
      const [good] = issuer.jwks().keys;
      const secret = new Uint8Array(32).fill(7);
      const { privateKey } = await generateKeyPair("ES256", { extractable: true });
      server.answer({
        body: {
          keys: [
            null,
            { kty: "oct", kid: "symmetric", alg: "HS256", k: Buffer.from(secret).toString("base64url") },
            { ...(await exportJWK(privateKey)), kid: "private" },
            { ...good, kid: "encryption", use: "enc" },
            { ...good, kid: "off-curve", x: good?.y },
            { kty: "LMS", kid: "unknown-type" },
            good,
          ],
        },
      });
      const jwks = create();
      await jwtVerify(await issuer.mint(), jwks);
      expect(jwks.status()).toMatchObject({ kids: [issuer.kid], unusableKeys: 6 });
      const forged = new SignJWT({}).setProtectedHeader({ alg: "HS256", kid: "symmetric" });
      await expect(jwtVerify(await forged.sign(secret), jwks)).rejects.toMatchObject(NOT_FOUND);
      const leaked = new SignJWT({}).setProtectedHeader({ alg: "ES256", kid: "private" });
      await expect(jwtVerify(await leaked.sign(privateKey), jwks)).rejects.toMatchObject(NOT_FOUND);
    });

    it("H15: keeps its keys when the set comes empty", async () => {
      const jwks = create();
      const key = await jwks.getKey(query());
      server.answer({ body: { keys: [] } });
      await expect(jwks.refresh()).rejects.toMatchObject(INVALID);
      expect(await jwks.getKey(query())).toBe(key);
      expect(jwks.status()).toMatchObject({ lastFailure: "ERR_KEYS_INVALID", consecutiveFailures: 1 });
    });

    it.each([
      ["back", -60 * MINUTE],
      ["forward", 60 * MINUTE],
    ])("D7: a wall clock that is set %s changes neither freshness nor cooldown nor stale window", async (_name, ms) => {
      server.answer(() => ({ body: issuer.jwks(), headers: { "cache-control": "max-age=60" } }));
      const jwks = create({ staleWhileErrorMs: 5 * MINUTE });
      const key = await jwks.getKey(query());
      await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(NOT_FOUND);
      const step = (): void => clock.setWallClock(clock.nowMs() + ms);
      step();
      await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(NOT_FOUND);
      expect(server.hits).toBe(2);
      expect(jwks.status()).toMatchObject({ stale: false, ageMs: 0 });
      await clock.advance(30 * SECOND);
      await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject(NOT_FOUND);
      expect(server.hits).toBe(3);
      step();
      outage();
      await clock.advance(48 * SECOND);
      await server.reached(4);
      await expect(jwks.refresh()).rejects.toMatchObject(UNAVAILABLE);
      step();
      await expect(jwks.getKey(query("stranger"))).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 30 * SECOND });
      // Of the six minutes since the last success, 48 seconds have passed.
      await clock.advance(6 * MINUTE - 48 * SECOND - 1);
      step();
      expect(jwks.peekKey(query())).toBe(key);
      await clock.advance(1);
      expect(jwks.peekKey(query())).toBeUndefined();
    });
  });

  describe("disposal", () => {
    it("H16: leaves no timer and ends the request under way", async () => {
      const jwks = create();
      await jwks.getKey(query());
      expect(clock.pendingTimers).toBe(1);
      server.answer({ after: new Promise(() => {}) });
      const refreshing = expect(jwks.refresh()).rejects.toMatchObject(UNAVAILABLE);
      await server.reached(2);
      jwks[Symbol.dispose]();
      await refreshing;
      await server.reachedAborts(1);
      expect(clock.pendingTimers).toBe(0);
      await expect(jwks.getKey(query())).rejects.toMatchObject(UNAVAILABLE);
      await expect(jwks.refresh()).rejects.toMatchObject(UNAVAILABLE);
      expect(jwks.peekKey(query())).toBeUndefined();
      expect(jwks.snapshot()).toBeUndefined();
      expect(jwks.status().usable).toBe(false);
      expect(server.hits).toBe(2);
    });
  });

  describe("construction", () => {
    it.each([
      ["jwks.json", "url must be an absolute URL"],
      ["http://idp.example/jwks.json", "url must be an https: URL"],
      ["https://user@idp.example/jwks.json", "url must not contain a user name or password"],
      ["https://idp.example/jwks.json#keys", "url must not contain a fragment"],
      ["https://other.example/jwks.json", "url must be of an allowed domain"],
    ])("I5: refuses %s", (url, message) => {
      const make = (): unknown => createJwks(url, { allowedDomains: ["idp.example"] });
      expect(make).toThrow(TypeError);
      expect(make).toThrow(message);
    });

    it("I5: permits http to this machine only when told to", () => {
      expect(() => createJwks("http://127.0.0.1:8080/jwks.json")).toThrow("with allowLoopbackHttp");
      createJwks("http://127.0.0.1:8080/jwks.json", { allowLoopbackHttp: true })[Symbol.dispose]();
    });

    it("takes a URL object, and starts nothing", () => {
      const jwks = createJwks(new URL("https://idp.example/jwks.json"), { clock });
      expect(clock.pendingTimers).toBe(0);
      jwks[Symbol.dispose]();
    });
  });
});
