import { jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJwks, type Jwks } from "../../src/jwks/jwks.js";
import { createJwksFacade } from "../../src/jwks/jwks-facade.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";

const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };

describe("createJwksFacade()", () => {
  let issuer: TestIssuer;
  let server: JwksServer;
  let otherIssuer: TestIssuer;
  let otherServer: JwksServer;
  const open: Jwks[] = [];

  beforeEach(async () => {
    issuer = await createTestIssuer();
    otherIssuer = await createTestIssuer();
    server = await startJwksServer(() => ({ body: issuer.jwks() }));
    otherServer = await startJwksServer(() => ({ body: otherIssuer.jwks() }));
  });
  afterEach(async () => {
    for (const jwks of open.splice(0)) jwks[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
    await otherServer[Symbol.asyncDispose]();
  });

  function create({ url }: JwksServer): Jwks {
    const jwks = createJwks(url, { allowLoopbackHttp: true, clock: createManualClock(), retries: 0 });
    open.push(jwks);
    return jwks;
  }
  /** Lets everything run that is ready to. */
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const query = (): { kid: string; alg: string } => ({ kid: issuer.kid, alg: "ES256" });

  it("is what the cache behind it is", async () => {
    const cache = create(server);
    const { jwks } = createJwksFacade(cache);
    const { payload } = await jwtVerify(await issuer.mint(), jwks);
    expect(payload.sub).toBe("alice");
    const key = await jwks.getKey(query());
    expect(jwks.peekKey(query())).toBe(key);
    expect(cache.peekKey(query())).toBe(key);
    expect(await jwks.getPublicKeys({ kid: issuer.kid })).toEqual(await cache.getPublicKeys());
    expect(jwks.snapshot()).toEqual(cache.snapshot());
    await jwks.refresh();
    expect(server.hits).toBe(2);
    expect(jwks.status()).toEqual(cache.status());
    const { jwks: second } = createJwksFacade(create(server));
    const snapshot = jwks.snapshot();
    expect(snapshot && (await second.hydrate(snapshot))).toBe(true);
    expect(second.peekKey(query())).toBeDefined();
  });

  it("gives a failure of its cache as it is, and does not ask again", async () => {
    server.answer({ status: 500 });
    const { jwks } = createJwksFacade(create(server));
    await expect(jwks.getKey(query())).rejects.toMatchObject(UNAVAILABLE);
    expect(server.hits).toBe(1);
  });

  it("answers from the cache that took the place of the one before", async () => {
    const cache = create(server);
    const facade = createJwksFacade(cache);
    const before = await facade.jwks.getKey(query());
    cache[Symbol.dispose]();
    facade.replace(create(otherServer));
    expect(facade.jwks.peekKey(query())).toBeUndefined();
    const after = await facade.jwks.getKey(query());
    expect(after).not.toBe(before);
    await jwtVerify(await otherIssuer.mint(), facade.jwks);
    await expect(jwtVerify(await issuer.mint(), facade.jwks)).rejects.toMatchObject({
      code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    });
  });

  it("has those who wait for the cache before wait for the new one", async () => {
    server.answer({ after: new Promise(() => {}) });
    const cache = create(server);
    const facade = createJwksFacade(cache);
    const waiting = [facade.jwks.getKey(query()), facade.jwks.getPublicKeys(), facade.jwks.refresh()];
    await server.reached(1);
    cache[Symbol.dispose]();
    facade.replace(create(otherServer));
    const [key, keys] = await Promise.all(waiting);
    expect(facade.jwks.peekKey(query())).toBe(key);
    expect(keys).toEqual(await facade.jwks.getPublicKeys());
  });

  it("gives nobody an answer of the cache before, even one that was on its way", async () => {
    const gate = Promise.withResolvers<void>();
    server.answer(() => ({ body: issuer.jwks(), after: gate.promise }));
    const cache = create(server);
    const facade = createJwksFacade(cache);
    const waiting = facade.jwks.getKey(query());
    const direct = cache.getKey(query());
    await server.reached(1);
    facade.replace(create(otherServer));
    gate.resolve();
    const old = await direct;
    expect(await waiting).not.toBe(old);
    expect(await waiting).toBe(facade.jwks.peekKey(query()));
  });

  it("waits until the new cache is ready, and each caller for as long as it wants", async () => {
    const cache = create(server);
    const facade = createJwksFacade(cache);
    const ready = Promise.withResolvers<void>();
    const next = create(otherServer);
    cache[Symbol.dispose]();
    facade.replace(next, ready.promise);
    const leaving = new AbortController();
    const left = facade.jwks.getKey(query(), { signal: leaving.signal });
    const stays = facade.jwks.getKey(query());
    leaving.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    await settle();
    expect(next.status().state).toBe("empty");
    ready.resolve();
    await stays;
    expect(otherServer.hits).toBe(1);
  });

  it("waits for the newest of several, whatever becomes of the others", async () => {
    const cache = create(server);
    const facade = createJwksFacade(cache);
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const passed = create(server);
    facade.replace(passed, first.promise);
    const waiting = facade.jwks.getKey(query());
    passed[Symbol.dispose]();
    const next = create(otherServer);
    facade.replace(next, second.promise);
    first.resolve();
    await settle();
    expect(next.status().state).toBe("empty");
    second.resolve();
    await waiting;
    expect([server.hits, otherServer.hits]).toEqual([0, 1]);
  });

  it("gives a caller who leaves the reason of its signal, though its cache was replaced", async () => {
    server.answer({ after: new Promise(() => {}) });
    const cache = create(server);
    const facade = createJwksFacade(cache);
    const leaving = new AbortController();
    const left = facade.jwks.getKey(query(), { signal: leaving.signal });
    await server.reached(1);
    cache[Symbol.dispose]();
    facade.replace(create(otherServer));
    leaving.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    expect(otherServer.hits).toBe(0);
  });

  it("tells of changes of the present cache, and of the replacement", async () => {
    const cache = create(server);
    const facade = createJwksFacade(cache);
    let told = 0;
    const listener = (): void => {
      told++;
      throw new Error("of no concern to others");
    };
    const first = facade.jwks.onChange(listener);
    facade.jwks.onChange(listener);
    await facade.jwks.refresh();
    expect(told).toBe(2);
    first[Symbol.dispose]();
    const next = create(otherServer);
    facade.replace(next);
    expect(told).toBe(3);
    await issuer.rotate();
    await cache.refresh();
    expect(told).toBe(3);
    await next.refresh();
    expect(told).toBe(4);
  });

  it("does nothing when it is disposed, for others hold it too", async () => {
    const { jwks } = createJwksFacade(create(server));
    jwks[Symbol.dispose]();
    expect((await jwks.getKey(query())).type).toBe("public");
  });

  it("rejects once its cache is disposed and none takes its place", async () => {
    const cache = create(server);
    const { jwks } = createJwksFacade(cache);
    await jwks.getKey(query());
    cache[Symbol.dispose]();
    await expect(jwks.getKey(query())).rejects.toMatchObject(UNAVAILABLE);
    await expect(jwks(query())).rejects.toMatchObject(UNAVAILABLE);
    expect(jwks.peekKey(query())).toBeUndefined();
    expect(jwks.snapshot()).toBeUndefined();
  });
});
