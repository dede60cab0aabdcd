import KeyvRedis from "@keyv/redis";
import { Keyv } from "keyv";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { createStoredRevocation, createVerifier, revocationKey, type Verifier } from "../../src/verify.js";
import { openRedisStore, type RedisStore } from "../support/redis-store.js";
import { startSilentServer } from "../support/silent-server.js";

const REVOKED = { name: "TokenRejectedError", code: "ERR_TOKEN_REVOKED" };
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_REVOCATION_UNAVAILABLE" };

describe("revocations in Redis", () => {
  let redis: RedisStore;
  const open: AsyncDisposable[] = [];

  beforeAll(async () => {
    redis = await openRedisStore();
  });
  afterEach(async () => {
    for (const resource of open.splice(0)) await resource[Symbol.asyncDispose]();
    await redis.clear();
  });
  afterAll(() => redis[Symbol.asyncDispose]());

  /** A Keyv with a connection of its own, as another process has it. */
  function connect(): Keyv {
    const adapter = new KeyvRedis(
      { url: process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379", socket: { reconnectStrategy: false } },
      { throwOnErrors: true },
    );
    const keyv = new Keyv(adapter, { namespace: redis.namespace, throwOnErrors: true });
    keyv.on("error", () => {});
    open.push({ [Symbol.asyncDispose]: () => keyv.disconnect() });
    return keyv;
  }
  function verifierOf(issuer: TestIssuer, store: Keyv): Verifier {
    const { issuer: name, audience } = issuer;
    return createVerifier({
      issuers: [{ issuer: name, audience, algorithms: ["ES256"], keys: issuer.jwks() }],
      revocation: createStoredRevocation(store),
      // Time enough for a busy machine; this is not about it.
      revocationOptions: { timeoutMs: 10_000 },
    });
  }

  it("E12: refuses at the next call what another process has revoked, by token, key or subject", async () => {
    const issuer = await createTestIssuer();
    const verifier = verifierOf(issuer, connect());
    const other = createStoredRevocation(connect());
    const first = await issuer.mint({ claims: { jti: "token-1" } });
    const second = await issuer.mint({ claims: { jti: "token-2" } });
    for (const token of [first, second]) expect(await verifier.verify(token)).toMatchObject({ subject: "alice" });
    await other.revoke({ issuer: issuer.issuer, jti: "token-1" });
    await expect(verifier.verify(first)).rejects.toMatchObject(REVOKED);
    expect(await verifier.verify(second)).toMatchObject({ subject: "alice" });
    await other.revoke({ issuer: issuer.issuer, subject: "alice", issuedBefore: Date.now() / 1_000 });
    await expect(verifier.verify(second)).rejects.toMatchObject(REVOKED);
    const bob = await issuer.mint({ claims: { sub: "bob" } });
    expect(await verifier.verify(bob)).toMatchObject({ subject: "bob" });
    await other.revoke({ issuer: issuer.issuer, kid: issuer.kid });
    await expect(verifier.verify(bob)).rejects.toMatchObject(REVOKED);
  });

  it("has Redis forget each entry when its tokens have expired", async () => {
    const store = connect();
    const revocation = createStoredRevocation(store);
    const issuer = "https://idp.test";
    const expiresAt = Math.floor(Date.now() / 1_000) + 300;
    await revocation.revoke({ issuer, jti: "t1", expiresAt });
    const raw = await store.getRaw(revocationKey("jti", issuer, "t1"));
    expect(raw).toMatchObject({ value: "true" });
    const keptMs = (raw?.expires ?? 0) - Date.now();
    expect(keptMs).toBeGreaterThan(350_000);
    expect(keptMs).toBeLessThanOrEqual(360_000);
  });

  it("E12: refuses calls as unavailable once Redis is gone", async () => {
    const issuer = await createTestIssuer();
    const store = connect();
    const verifier = verifierOf(issuer, store);
    const token = await issuer.mint();
    expect(await verifier.verify(token)).toMatchObject({ subject: "alice" });
    // Where no server is. One that was there and is closed would be connected to once more by the adapter.
    const adapter = new KeyvRedis(
      { url: "redis://127.0.0.1:1", socket: { reconnectStrategy: false } },
      { throwOnErrors: true },
    );
    const gone = new Keyv(adapter, { throwOnErrors: true });
    gone.on("error", () => {});
    await expect(verifierOf(issuer, gone).verify(token)).rejects.toMatchObject(UNAVAILABLE);
  });

  it("E12: refuses calls as unavailable within the time box while Redis accepts and never answers", async () => {
    const { port, asked } = await startSilentServer();
    const adapter = new KeyvRedis(`redis://127.0.0.1:${port}`, { throwOnErrors: true });
    const keyv = new Keyv(adapter, { throwOnErrors: true });
    keyv.on("error", () => {});
    onTestFinished(() => adapter.client.destroy());
    const clock = createManualClock();
    const issuer = await createTestIssuer({ clock });
    const { issuer: name, audience } = issuer;
    const verifier = createVerifier({
      issuers: [{ issuer: name, audience, algorithms: ["ES256"], keys: issuer.jwks() }],
      revocation: createStoredRevocation(keyv),
      clock,
    });
    const token = await issuer.mint();
    const outcomes = Promise.allSettled([verifier.verify(token), verifier.verify(token)]);
    await asked;
    await clock.advance(250);
    expect(await outcomes).toMatchObject([1, 2].map(() => ({ status: "rejected", reason: UNAVAILABLE })));
    expect(clock.pendingTimers).toBe(0);
  });
});
