import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJwksRegistry, type JwksRegistry, type JwksRegistryEvent } from "../../src/jwks/jwks-registry.js";
import type { JwksRegistration } from "../../src/jwks/registration.js";
import type { SnapshotStore } from "../../src/jwks/snapshot-store.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";

const MINUTE = 60 * 1_000;
const SECRET = "a secret of the test that is not a secret";

describe("createJwksRegistry() with snapshots", () => {
  let issuer: TestIssuer;
  let server: JwksServer;
  let clock: ManualClock;
  let texts: Map<string, string>;
  let events: JwksRegistryEvent[];
  const registries: JwksRegistry[] = [];

  beforeEach(async () => {
    issuer = await createTestIssuer();
    server = await startJwksServer(() => ({ body: issuer.jwks(), headers: { etag: '"1"' } }));
    clock = createManualClock();
    texts = new Map();
    events = [];
  });
  afterEach(async () => {
    for (const registry of registries.splice(0)) await registry[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  function create(store: Partial<SnapshotStore> = {}): JwksRegistry {
    const registry = createJwksRegistry({
      clock,
      defaults: { allowLoopbackHttp: true, retries: 0 },
      snapshots: {
        secret: SECRET,
        store: {
          get: (key) => texts.get(key),
          set: (key, text) => void texts.set(key, text),
          delete: (key) => texts.delete(key),
          ...store,
        },
      },
      onEvent: (event) => events.push(event),
    });
    registries.push(registry);
    registry.register(registration());
    return registry;
  }
  const registration = (change: Partial<JwksRegistration> = {}): JwksRegistration => ({
    tenantId: "acme",
    providerId: "staff",
    url: server.url,
    ...change,
  });
  /** Gives a registry that has fetched and kept the keys. */
  async function createWarm(store: Partial<SnapshotStore> = {}): Promise<JwksRegistry> {
    const registry = create(store);
    await registry.resolve("acme", "staff");
    expect(await registry.persistAll()).toEqual({ done: 1, missing: 0, refused: 0, failed: 0 });
    return registry;
  }
  const kids = async (registry: JwksRegistry): Promise<string[]> =>
    (await registry.resolve("acme", "staff")).map(({ kid }) => kid);
  /** Disposes a registry whose store does not answer. */
  async function end(registry: JwksRegistry): Promise<void> {
    const ended = registry[Symbol.asyncDispose]();
    await clock.advance(MINUTE);
    await ended;
  }
  const never = (): Promise<never> => new Promise(() => {});

  it("writes a key set after each refresh, without being asked", async () => {
    const kept: string[] = [];
    const written = Promise.withResolvers<void>();
    const registry = create({
      set(key) {
        kept.push(key);
        if (kept.length === 2) written.resolve();
      },
    });
    await registry.resolve("acme", "staff");
    await registry.refresh("acme", "staff");
    await written.promise;
    expect(kept).toEqual(["latchkey:jwks:acme:staff", "latchkey:jwks:acme:staff"]);
  });

  it("starts warm from what another left, and has it confirmed at once", async () => {
    await createWarm();
    const gate = Promise.withResolvers<void>();
    server.answer({ status: 304, headers: { etag: '"1"' }, after: gate.promise });
    const restarted = create();
    expect(await restarted.restore()).toEqual({ done: 1, missing: 0, refused: 0, failed: 0 });
    expect(await kids(restarted)).toEqual([issuer.kid]);
    await server.reached(2);
    expect(server.requests[1]?.headers["if-none-match"]).toBe('"1"');
    expect(restarted.status("acme", "staff")?.state).toBe("refreshing");
    gate.resolve();
    await restarted.refresh("acme", "staff");
    expect(restarted.status("acme", "staff")).toMatchObject({ state: "ready", consecutiveFailures: 0 });
  });

  it("I2: has a removed key refused as soon as the issuer has answered", async () => {
    await createWarm();
    const removed = issuer.kid;
    await issuer.rotate();
    issuer.remove(removed);
    const restarted = create();
    await restarted.restore();
    await restarted.refresh("acme", "staff");
    expect(await kids(restarted)).toEqual([issuer.kid]);
    expect(await restarted.restore()).toMatchObject({ done: 0 });
    expect(await kids(restarted)).toEqual([issuer.kid]);
  });

  it("I1: takes nothing that was kept for another issuer, URL, tenant or provider", async () => {
    await createWarm();
    const [text = ""] = texts.values();
    texts.set("latchkey:jwks:acme:guests", text);
    texts.set("latchkey:jwks:umbrella:staff", text);
    const others = create();
    others.update(registration({ issuer: "https://other.example" }));
    texts.set("latchkey:jwks:acme:staff", text);
    others.register(registration({ providerId: "guests" }));
    others.register(registration({ tenantId: "umbrella" }));
    expect(await others.restore()).toEqual({ done: 0, missing: 0, refused: 3, failed: 0 });
    others.update(registration({ url: `${server.url}?other` }));
    texts.set("latchkey:jwks:acme:staff", text);
    expect(await others.restore()).toMatchObject({ done: 0 });
    expect(others.statuses().every(({ usable }) => !usable)).toBe(true);
    expect(events.filter(({ type }) => type === "snapshot_failed")).toContainEqual({
      type: "snapshot_failed",
      operation: "get",
      reason: "refused",
      tenantId: "umbrella",
      providerId: "staff",
    });
  });

  it.each([
    ["the provider is unregistered", (registry: JwksRegistry) => registry.unregister("acme", "staff")],
    ["its URL changes", (registry: JwksRegistry) => registry.update(registration({ url: `${server.url}?other` }))],
    ["its issuer changes", (registry: JwksRegistry) => registry.update(registration({ issuer: "https://o.example" }))],
  ])("drops the snapshot when %s", async (_name, change) => {
    const dropped = Promise.withResolvers<string>();
    const registry = await createWarm({ delete: (key) => dropped.resolve(key) });
    change(registry);
    expect(await dropped.promise).toBe("latchkey:jwks:acme:staff");
  });

  it("does not give the keys of a registration that was replaced to the one that replaced it", async () => {
    await createWarm();
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const registry = create({
      async get(key) {
        asked.resolve();
        await gate.promise;
        return texts.get(key);
      },
      delete() {},
    });
    const restored = registry.restore();
    await asked.promise;
    registry.update(registration({ issuer: "https://other.example" }));
    gate.resolve();
    expect(await restored).toMatchObject({ done: 0 });
    expect(registry.status("acme", "staff")).toMatchObject({ state: "empty", kids: [] });
  });

  it("I3: answers while the store does not", async () => {
    const written = Promise.withResolvers<void>();
    const set = (): Promise<never> => {
      written.resolve();
      return never();
    };
    const registry = create({ get: never, set, delete: never });
    const restored = registry.restore();
    expect(await kids(registry)).toEqual([issuer.kid]);
    registry.update(registration({ maxKeys: 5 }));
    expect(await kids(registry)).toEqual([issuer.kid]);
    await written.promise;
    await clock.advance(200);
    expect(await restored).toMatchObject({ done: 0, failed: 1 });
    const failure = { type: "snapshot_failed", reason: "timeout", tenantId: "acme", providerId: "staff" };
    expect(events).toContainEqual({ ...failure, operation: "get" });
    expect(events).toContainEqual({ ...failure, operation: "set" });
    await end(registry);
  });

  it("H16: waits for a write under way when it is disposed, but not for a store that does not answer", async () => {
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const registry = create({
      async set(key, text) {
        asked.resolve();
        await gate.promise;
        texts.set(key, text);
      },
    });
    await registry.resolve("acme", "staff");
    await asked.promise;
    let ended = false;
    const disposed = registry[Symbol.asyncDispose]().then(() => {
      ended = true;
    });
    await clock.advance(0);
    expect(ended).toBe(false);
    gate.resolve();
    await disposed;
    expect([...texts.keys()]).toEqual(["latchkey:jwks:acme:staff"]);

    const stuck = Promise.withResolvers<void>();
    const set = (): Promise<never> => {
      stuck.resolve();
      return never();
    };
    const other = create({ set });
    await other.resolve("acme", "staff");
    await stuck.promise;
    await end(other);
    expect(clock.pendingTimers).toBe(0);
  });

  it("does nothing without a store", async () => {
    const registry = createJwksRegistry({ clock });
    registries.push(registry);
    registry.register(registration({ allowLoopbackHttp: true }));
    const nothing = { done: 0, missing: 0, refused: 0, failed: 0 };
    expect(await registry.persistAll()).toEqual(nothing);
    expect(await registry.restore()).toEqual(nothing);
  });
});
