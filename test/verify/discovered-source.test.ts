import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createIssuerEndpoints } from "../../src/issuer/endpoints.js";
import { createTokenIssuer } from "../../src/issuer/token-issuer.js";
import type { JwksOptions } from "../../src/jwks/jwks-options.js";
import { createKeyRing } from "../../src/keys/key-ring.js";
import { memoryKeyStore } from "../../src/keys/memory-key-store.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import type { TrustedIssuer } from "../../src/verify/trusted-issuer.js";
import { createVerifier, type Verifier } from "../../src/verify/verifier.js";
import { type DiscoveryServer, startDiscoveryServer } from "../support/discovery-server.js";
import { createJwksEvents, type JwksEvents } from "../support/jwks-events.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const MAX_TTL = 10 * MINUTE;
/** What is left of that when keys are fetched before time. */
const KEYS_DUE = 9.5 * MINUTE;
const METADATA = "/.well-known/openid-configuration";
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };

describe("createDiscoveredSource()", () => {
  let clock: ManualClock;
  let server: DiscoveryServer;
  let issuer: TestIssuer;
  let events: JwksEvents;
  const open: Verifier[] = [];
  beforeEach(async () => {
    clock = createManualClock();
    server = await startDiscoveryServer();
    issuer = await createTestIssuer({ issuer: server.origin, clock });
    events = createJwksEvents();
    server.publish("", "/keys");
    server.answer("/keys", { body: issuer.jwks() });
  });
  afterEach(async () => {
    for (const verifier of open.splice(0)) await verifier[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  function create(options: JwksOptions = {}, more: Partial<TrustedIssuer> = {}): Verifier {
    const { audience } = issuer;
    const jwksOptions = { maxTtlMs: MAX_TTL, retries: 0, refreshJitterMs: 0, onEvent: events.onEvent, ...options };
    const verifier = createVerifier({
      issuers: [{ issuer: server.origin, audience, algorithms: ["ES256"], discovery: true, jwksOptions, ...more }],
      allowLoopbackHttp: true,
      clock,
    });
    open.push(verifier);
    return verifier;
  }

  /**
   * Lets so much time pass that the metadata is older than it may be, and the keys be fetched again on the way. Both
   * steps end at the very moment at which the keys are due: time stands still while they come.
   */
  async function growOld(): Promise<void> {
    for (let step = 0; step < 2; step++) {
      await clock.advance(KEYS_DUE);
      while (clock.pendingTimers > 1) await clock.advance(0);
    }
  }

  /** Lets time pass by steps of no length until something was told that many times. */
  async function until(type: "discovered" | "discovery_failed" | "refreshed" | "refresh_failed", count: number) {
    while (events.of(type).length < count) await clock.advance(0);
  }

  it("asks for nothing before a token comes, then for the metadata and the keys, once for all", async () => {
    const verifier = create();
    expect(server.paths).toEqual([]);
    const tokens = await Promise.all(Array.from({ length: 20 }, () => issuer.mint()));
    const principals = await Promise.all(tokens.map((token) => verifier.verify(token)));
    expect(principals.map(({ subject }) => subject)).toEqual(tokens.map(() => "alice"));
    expect(server.paths).toEqual([METADATA, "/keys"]);
  });

  it("finds the keys of an issuer that publishes by our own endpoints", async () => {
    const keyRing = createKeyRing({ store: memoryKeyStore(), gracePeriodMs: HOUR, maxTokenLifetimeMs: HOUR, clock });
    const name = "https://idp.example/tenant";
    const handle = createIssuerEndpoints({ issuer: name, keyRing });
    const token = await createTokenIssuer({ issuer: name, audience: issuer.audience, keyRing, clock }).issue({
      subject: "alice",
      org: "acme",
      roles: ["tester"],
    });
    const verifier = create({ fetch: (url, init) => handle(new Request(url, init)) }, { issuer: name });
    await expect(verifier.verify(token.value)).resolves.toMatchObject({ subject: "alice", issuer: name });
  });

  it("E7: opens no connection for the tokens of strangers, nor for tokens that cannot pass", async () => {
    const verifier = create();
    const strangers = [`${server.origin}/`, server.origin.toUpperCase(), "https://evil.example", [server.origin]];
    for (const iss of strangers) {
      const token = await issuer.mint({ claims: { iss } });
      await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_TOKEN_ISSUER" });
    }
    const expired = await issuer.mint({ lifetimeSeconds: -60 });
    await expect(verifier.verify(expired)).rejects.toMatchObject({ code: "ERR_TOKEN_EXPIRED" });
    expect(server.server.connections).toBe(0);
  });

  it.each([
    ["an outage", { status: 503 }, "ERR_KEYS_UNAVAILABLE", 1],
    ["no document", { status: 404 }, "ERR_KEYS_INVALID", 2],
    ["the document of another issuer", { body: { issuer: "https://evil.example" } }, "ERR_KEYS_INVALID", 1],
  ] as const)(
    "E8: accepts nothing when there is %s, and asks once per cooldown",
    async (_name, answer, code, requests) => {
      server.answer(METADATA, answer);
      const verifier = create();
      const forger = await createTestIssuer({ issuer: server.origin, clock });
      for (let times = 0; times < 50; times++) {
        const token = await (times % 2 === 0 ? issuer : forger).mint();
        await expect(verifier.verify(token)).rejects.toMatchObject({ name: "KeysUnavailableError", code });
      }
      expect(server.paths).toHaveLength(requests);
      server.publish("", "/keys");
      await clock.advance(30 * SECOND);
      await expect(verifier.verify(await issuer.mint())).resolves.toMatchObject({ subject: "alice" });
      await expect(verifier.verify(await forger.mint())).rejects.toMatchObject({ code: "ERR_TOKEN_SIGNATURE" });
    },
  );

  it("H6: rejects no valid token while the metadata fails and the keys do not", async () => {
    const verifier = create();
    await verifier.verify(await issuer.mint());
    server.answer(METADATA, { status: 500 });
    for (let failures = 1; failures <= 10; failures++) {
      await growOld();
      await expect(verifier.verify(await issuer.mint())).resolves.toMatchObject({ subject: "alice" });
      await until("discovery_failed", failures);
    }
    expect(events.of("refresh_failed")).toEqual([]);
  });

  it("J4: forgets tokens of the keys before when the metadata names another place, and takes those of the new ones", async () => {
    const verifier = create();
    const [stays, goes] = [await issuer.mint({ lifetimeSeconds: 7_200 }), issuer.kid];
    await verifier.verify(stays);
    await issuer.rotate();
    issuer.remove(goes);
    server.answer("/moved", { body: issuer.jwks() });
    server.publish("", "/moved");
    await growOld();
    // Remembered from now on, by a key of the place before.
    await verifier.verify(stays);
    await until("discovered", 2);
    expect(events.of("discovered")[1]).toEqual({ type: "discovered", changed: true });
    await expect(verifier.verify(stays)).rejects.toMatchObject({ code: "ERR_KEY_NOT_FOUND" });
    await expect(verifier.verify(await issuer.mint())).resolves.toMatchObject({ subject: "alice" });
    // No timer of the cache before is left: a refresh of the one in use is all that is due.
    expect(clock.pendingTimers).toBe(1);
    const asked = server.paths.length;
    await growOld();
    expect(server.paths.slice(asked)).toEqual(["/moved", "/moved"]);
  });

  it("keeps the keys in hand when there are none at the place that the metadata names now", async () => {
    const verifier = create();
    await verifier.verify(await issuer.mint());
    server.publish("", "/nowhere");
    await growOld();
    await verifier.verify(await issuer.mint());
    await until("discovery_failed", 1);
    expect(server.paths.filter((path) => path === "/nowhere")).toHaveLength(1);
    await expect(verifier.verify(await issuer.mint())).resolves.toMatchObject({ subject: "alice" });
    server.answer("/nowhere", { body: issuer.jwks() });
    await clock.advance(30 * SECOND);
    await verifier.verify(await issuer.mint());
    await until("discovered", 2);
    await expect(verifier.verify(await issuer.mint())).resolves.toMatchObject({ subject: "alice" });
  });

  it("H6: looks where the keys are now when they are no longer where they were, before they run out", async () => {
    const verifier = create();
    await verifier.verify(await issuer.mint());
    server.answer("/keys", { status: 404 });
    server.answer("/moved", { body: issuer.jwks() });
    server.publish("", "/moved");
    await clock.advance(KEYS_DUE);
    await until("refresh_failed", 1);
    await until("discovered", 2);
    await clock.advance(12 * MINUTE);
    await expect(verifier.verify(await issuer.mint())).resolves.toMatchObject({ subject: "alice" });
  });

  it("H2: asks for no metadata on account of made-up kids, however the look for them ends", async () => {
    const verifier = create();
    await verifier.verify(await issuer.mint());
    const flood = async (): Promise<void> => {
      for (let times = 0; times < 20; times++) {
        const token = await issuer.mint({ header: { kid: `made-up-${times}` } });
        await expect(verifier.verify(token)).rejects.toBeDefined();
      }
    };
    await flood();
    server.answer("/keys", { status: 500 });
    await clock.advance(MINUTE);
    await flood();
    expect(server.paths).toEqual([METADATA, "/keys", "/keys", "/keys"]);
  });

  it("E5: keeps the keys of issuers apart that share a host", async () => {
    const other = await createTestIssuer({ issuer: `${server.origin}/other`, clock });
    server.publish("/other", "/other-keys");
    server.answer("/other-keys", { body: other.jwks() });
    const { audience } = issuer;
    const verifier = createVerifier({
      issuers: [issuer, other].map((trusted) => ({
        issuer: trusted.issuer,
        audience,
        algorithms: ["ES256"],
        discovery: true,
      })),
      allowLoopbackHttp: true,
      clock,
    });
    open.push(verifier);
    expect(issuer.kid).toBe(other.kid);
    expect(await verifier.verify(await issuer.mint())).toMatchObject({ issuer: issuer.issuer });
    expect(await verifier.verify(await other.mint())).toMatchObject({ issuer: other.issuer });
    const swapped = await issuer.mint({ claims: { iss: other.issuer } });
    await expect(verifier.verify(swapped)).rejects.toMatchObject({ code: "ERR_TOKEN_SIGNATURE" });
  });

  it("H10: never asks a place that its fetch will not go to", async () => {
    const asked: string[] = [];
    const fetch = Object.assign(
      (url: string, init: RequestInit) => {
        asked.push(new URL(url).pathname);
        return globalThis.fetch(url, init);
      },
      {
        assertHost(hostname: string) {
          if (hostname === "127.0.0.2") throw new TypeError("The host is not at a public address");
        },
      },
    );
    const body = { issuer: server.origin, jwks_uri: server.origin.replace("127.0.0.1", "127.0.0.2") };
    server.answer(METADATA, { body });
    const verifier = create({ fetch });
    await expect(verifier.verify(await issuer.mint())).rejects.toMatchObject({
      code: "ERR_KEYS_INVALID",
      cause: { cause: { message: "The host is not at a public address" } },
    });
    expect(asked).toEqual([METADATA]);
    const there = { issuer: server.origin.replace("127.0.0.1", "127.0.0.2") };
    expect(() => create({ fetch }, there)).toThrow("The host is not at a public address");
  });

  it.each([
    ["the metadata is asked for", METADATA],
    ["the keys are asked for", "/keys"],
  ])("H16: leaves nothing behind when it ends while %s", async (_name, path) => {
    server.answer(path, { after: new Promise(() => {}) });
    const verifier = create();
    const refused = expect(verifier.verify(await issuer.mint())).rejects.toMatchObject(UNAVAILABLE);
    await server.server.reached(path === METADATA ? 1 : 2);
    await verifier[Symbol.asyncDispose]();
    await refused;
    await server.server.reachedAborts(1);
    expect(clock.pendingTimers).toBe(0);
    await expect(verifier.verify(await issuer.mint())).rejects.toMatchObject(UNAVAILABLE);
    await clock.advance(HOUR);
    expect(server.paths).toHaveLength(path === METADATA ? 1 : 2);
  });

  it("H16: leaves nothing behind when it ends while another key set is fetched", async () => {
    const verifier = create();
    await verifier.verify(await issuer.mint());
    server.publish("", "/moved");
    server.answer("/moved", { after: new Promise(() => {}) });
    await growOld();
    await verifier.verify(await issuer.mint());
    while (!server.paths.includes("/moved")) await clock.advance(0);
    await verifier[Symbol.asyncDispose]();
    await server.server.reachedAborts(1);
    expect(clock.pendingTimers).toBe(0);
    const asked = server.paths.length;
    await clock.advance(HOUR);
    expect(server.paths).toHaveLength(asked);
  });
});
