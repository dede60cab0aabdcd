import { randomBytes } from "node:crypto";
import KeyvRedis from "@keyv/redis";
import { jwtVerify } from "jose";
import { Keyv } from "keyv";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { createJwksRegistry, type JwksRegistry, type JwksRegistryEvent } from "../../src/jwks/jwks-registry.js";
import type { SnapshotStore } from "../../src/jwks/snapshot-store.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";
import { openRedisStore, type RedisStore } from "../support/redis-store.js";
import { startSilentServer } from "../support/silent-server.js";
import { startTypescript, type TypescriptProcess } from "../support/typescript-process.js";

const KEY = "latchkey:jwks:acme:main";
const DONE = { done: 1, missing: 0, refused: 0, failed: 0 };
const REFUSED = { done: 0, missing: 0, refused: 1, failed: 0 };

describe("snapshots in Redis", () => {
  const secret = randomBytes(24).toString("hex");
  let redis: RedisStore;
  let issuer: TestIssuer;
  let server: JwksServer;
  const registries: JwksRegistry[] = [];
  const events: JwksRegistryEvent[] = [];

  beforeAll(async () => {
    redis = await openRedisStore();
  });
  afterAll(async () => {
    await redis.clear();
    await redis[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    issuer = await createTestIssuer();
    server = await startJwksServer(publish);
    events.length = 0;
  });
  afterEach(async () => {
    for (const registry of registries.splice(0)) await registry[Symbol.asyncDispose]();
    await redis.clear();
    await server[Symbol.asyncDispose]();
  });

  const etag = (): string => `"${issuer.jwks().keys.map(({ kid }) => kid)}"`;
  /** The issuer as it should be: names each version of its set, and does not send one again. */
  const publish = (hit: number) => {
    const unchanged = server.requests[hit - 1]?.headers["if-none-match"] === etag();
    return { status: unchanged ? 304 : 200, headers: { etag: etag() }, body: unchanged ? "" : issuer.jwks() };
  };
  // Time enough for a busy machine; the tests are not about it.
  function open(store: SnapshotStore = redis.keyv, mySecret = secret): JwksRegistry {
    const registry = createJwksRegistry({
      snapshots: { store, secret: mySecret, timeoutMs: 10_000 },
      defaults: { allowLoopbackHttp: true },
      onEvent: (event) => void events.push(event),
    });
    registries.push(registry);
    registry.register({ tenantId: "acme", providerId: "main", url: server.url });
    return registry;
  }
  const key = (registry: JwksRegistry) => {
    const jwks = registry.provider("acme", "main");
    if (jwks === undefined) throw new Error("not registered");
    return jwks;
  };
  async function startOther(): Promise<TypescriptProcess> {
    const other = startTypescript("snapshot-process.ts", redis.namespace, secret, server.url);
    expect(await other.nextLine()).toBe("ready");
    return other;
  }
  const ask = (other: TypescriptProcess, command: string): Promise<string> => {
    other.send(command);
    return other.nextLine();
  };

  it("lets a second process answer before it has heard from the issuer, and ask it with the stored ETag at once", async () => {
    const first = open();
    await first.refresh("acme", "main");
    expect(await first.persistAll()).toEqual(DONE);
    const answer = Promise.withResolvers<void>();
    server.answer((hit) => ({ ...publish(hit), after: answer.promise }));
    const second = await startOther();
    expect(JSON.parse(await ask(second, "restore"))).toEqual(DONE);
    await server.reached(2);
    expect(await ask(second, `key ${issuer.kid}`)).toBe(issuer.kid);
    expect(server.hits).toBe(2);
    expect(server.requests[1]?.headers["if-none-match"]).toBe(etag());
    answer.resolve();
    expect(await ask(second, "confirmed")).toBe("refreshed");
    expect(await ask(second, `key ${issuer.kid}`)).toBe(issuer.kid);
    expect(server.hits).toBe(2);
  });

  it("writes each answer of the issuer without being told to, and drops a provider that is unregistered", async () => {
    const written = Promise.withResolvers<void>();
    const dropped = Promise.withResolvers<void>();
    const store: SnapshotStore = {
      get: (name) => redis.keyv.get(name),
      set: (name, text, ttlMs) => redis.keyv.set(name, text, ttlMs).finally(written.resolve),
      delete: (name) => redis.keyv.delete(name).finally(dropped.resolve),
    };
    const registry = open(store);
    await registry.refresh("acme", "main");
    await written.promise;
    expect(await redis.keyv.get(KEY)).toContain(`"${issuer.kid}"`);
    registry.unregister("acme", "main");
    await dropped.promise;
    expect(await redis.keyv.get(KEY)).toBeUndefined();
  });

  it("I1: takes no key that was planted in Redis: a token that it signed is refused", async () => {
    const attacker = await createTestIssuer({ issuer: issuer.issuer });
    const [mine] = issuer.jwks().keys;
    const [planted] = attacker.jwks().keys;
    const first = open();
    await first.refresh("acme", "main");
    await first.persistAll();
    const text = String(await redis.keyv.get(KEY));
    const swapped = text.replace(`${mine?.x}`, `${planted?.x}`).replace(`${mine?.y}`, `${planted?.y}`);
    expect(swapped).not.toBe(text);
    await first[Symbol.asyncDispose]();
    const forger = await startJwksServer({ body: attacker.jwks() });
    const forged = open(redis.keyv, "y".repeat(32));
    forged.update({ tenantId: "acme", providerId: "main", url: forger.url });
    await forged.refresh("acme", "main");
    await forged.persistAll();
    const sealed = String(await redis.keyv.get(KEY)).replace(forger.url, server.url);
    await forged[Symbol.asyncDispose]();
    await forger[Symbol.asyncDispose]();
    const token = await attacker.mint();
    for (const tampered of [swapped, sealed, JSON.stringify(attacker.jwks())]) {
      await redis.keyv.set(KEY, tampered);
      const registry = open();
      expect(await registry.restore()).toEqual(REFUSED);
      await expect(jwtVerify(token, key(registry))).rejects.toMatchObject({
        code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
      });
      await expect(jwtVerify(await issuer.mint(), key(registry))).resolves.toBeDefined();
      await registry[Symbol.asyncDispose]();
    }
    const refused = events.filter((event) => event.type === "snapshot_failed" && event.reason === "refused");
    expect(refused.length).toBe(3);
  });

  it("I2: accepts no removed key for longer than it takes the issuer to answer, after an old snapshot was put back", async () => {
    const first = open();
    await first.refresh("acme", "main");
    await first.persistAll();
    const old = await redis.keyv.get(KEY);
    const removed = issuer.kid;
    await issuer.rotate();
    issuer.remove(removed);
    await first.refresh("acme", "main");
    await first.persistAll();
    expect(await redis.keyv.get(KEY)).not.toBe(old);
    await redis.keyv.set(KEY, old);
    // Who knows better is not misled.
    expect(await first.restore()).toEqual(REFUSED);
    expect(first.status("acme", "main")?.kids).toEqual([issuer.kid]);
    // Who knows nothing asks at once.
    const second = await startOther();
    const { hits } = server;
    expect(JSON.parse(await ask(second, "restore"))).toEqual(DONE);
    expect(await ask(second, "confirmed")).toBe("refreshed");
    expect(server.requests[hits]?.headers["if-none-match"]).toBe(`"${removed}"`);
    expect(await ask(second, `key ${issuer.kid}`)).toBe(issuer.kid);
    expect(await ask(second, `key ${removed}`)).toBe("ERR_KEY_NOT_FOUND");
  });

  it("I3: answers requests for keys while a Redis that accepts and never answers is asked", async () => {
    const { port, asked } = await startSilentServer();
    const adapter = new KeyvRedis(`redis://127.0.0.1:${port}`);
    const keyv = new Keyv(adapter);
    keyv.on("error", () => {});
    onTestFinished(() => adapter.client.destroy());
    // Time stands still: nothing that is answered here has waited for a time box.
    const clock = createManualClock();
    const registry = createJwksRegistry({
      snapshots: { store: keyv, secret },
      defaults: { allowLoopbackHttp: true },
      onEvent: (event) => void events.push(event),
      clock,
    });
    const providers = Array.from({ length: 100 }, (_, index) => `p${index}`);
    for (const providerId of providers) registry.register({ tenantId: "acme", providerId, url: server.url });
    let restored = false;
    const restoring = registry.restore().finally(() => {
      restored = true;
    });
    await asked;
    for (const providerId of providers) {
      expect(await registry.resolve("acme", providerId, issuer.kid)).toMatchObject([{ kid: issuer.kid }]);
    }
    expect(restored).toBe(false);
    await clock.advance(200);
    expect(await restoring).toEqual({ done: 0, missing: 0, refused: 0, failed: 100 });
    expect(events.filter(({ type }) => type === "snapshot_failed")).not.toEqual([]);
    const disposing = registry[Symbol.asyncDispose]();
    await clock.advance(100);
    await disposing;
    expect(clock.pendingTimers).toBe(0);
  });
});
