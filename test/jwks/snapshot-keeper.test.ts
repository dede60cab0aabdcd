import { jwtVerify } from "jose";
import { Keyv } from "keyv";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createJwks, type Jwks } from "../../src/jwks/jwks.js";
import type { JwksSnapshot } from "../../src/jwks/jwks-snapshot.js";
import { createSnapshotCodec } from "../../src/jwks/snapshot-codec.js";
import {
  createSnapshotKeeper,
  type SnapshotEntry,
  type SnapshotFailure,
  type SnapshotKeeper,
} from "../../src/jwks/snapshot-keeper.js";
import type { SnapshotOptions, SnapshotStore } from "../../src/jwks/snapshot-store.js";
import type { Labels } from "../../src/telemetry/telemetry.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";
import { createSlowStore } from "../support/slow-store.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const SECRET = "the store does not know this one";
const KEY = "latchkey:jwks:acme:main";
const TTL_MS = 10 * MINUTE;
const STALE_MS = 10 * MINUTE;

describe("createSnapshotKeeper()", () => {
  let issuer: TestIssuer;
  let server: JwksServer;
  let clock: ManualClock;
  let texts: Map<string, string>;
  let failures: SnapshotFailure[];
  let counted: Labels[];
  const open: Disposable[] = [];
  const keepers: SnapshotKeeper[] = [];

  beforeEach(async () => {
    issuer = await createTestIssuer();
    server = await startJwksServer(() => ({ body: issuer.jwks(), headers: { etag: `"${issuer.kid}"` } }));
    clock = createManualClock();
    texts = new Map();
    failures = [];
    counted = [];
  });
  afterEach(async () => {
    for (const one of open.splice(0)) one[Symbol.dispose]();
    for (const keeper of keepers.splice(0)) void keeper[Symbol.asyncDispose]();
    await clock.advance(MINUTE);
    await server[Symbol.asyncDispose]();
  });

  function keep(store: SnapshotStore = texts, options: Partial<SnapshotOptions> = {}): SnapshotKeeper {
    const telemetry = { count: (name: string, labels?: Labels) => void counted.push({ name, ...labels }), record() {} };
    const onFailure = (failure: SnapshotFailure): void => void failures.push(failure);
    const keeper = createSnapshotKeeper({ store, secret: SECRET, ...options }, { clock, telemetry, onFailure });
    keepers.push(keeper);
    return keeper;
  }
  /** A provider as a process of its own has it. */
  function provide(ids: Partial<SnapshotEntry> = {}): SnapshotEntry & { readonly jwks: Jwks } {
    const jwks = createJwks(server.url, { allowLoopbackHttp: true, clock, retries: 0, refreshJitterMs: 0 });
    open.push(jwks);
    const settings = { maxBodyBytes: 512 * 1_024, staleWhileErrorMs: STALE_MS };
    return { tenantId: "acme", providerId: "main", issuer: issuer.issuer, url: server.url, settings, ...ids, jwks };
  }
  /** A provider that has its keys. */
  async function warm(ids: Partial<SnapshotEntry> = {}): Promise<SnapshotEntry & { readonly jwks: Jwks }> {
    const entry = provide(ids);
    await entry.jwks.refresh();
    return entry;
  }
  const seal = async (changes: Partial<JwksSnapshot>, secret = SECRET): Promise<string> => {
    const snapshot = { url: server.url, keys: await publicKeys(), fetchedAtMs: clock.nowMs(), ttlMs: TTL_MS };
    return createSnapshotCodec(secret, "secret").seal({ ...snapshot, ...changes }, provide());
  };
  const publicKeys = async (): Promise<JwksSnapshot["keys"]> => (await warm()).jwks.getPublicKeys();
  const query = (kid = issuer.kid): { kid: string; alg: string } => ({ kid, alg: "ES256" });

  it("gives a process that has just started the keys of another, and has them confirmed at once", async () => {
    const keeper = keep();
    expect(await keeper.save(await warm())).toBe("done");
    const { jwks, ...entry } = provide();
    expect(await keep().load({ ...entry, jwks })).toBe("done");
    expect(jwks.peekKey(query())).toBeDefined();
    await server.reached(2);
    expect(server.requests[1]?.headers["if-none-match"]).toBe(`"${issuer.kid}"`);
    expect(failures).toEqual([]);
    expect(counted).toEqual([
      { name: "latchkey.jwks.snapshots", tenant: "acme", provider: "main", operation: "set", outcome: "done" },
      { name: "latchkey.jwks.snapshots", tenant: "acme", provider: "main", operation: "get", outcome: "done" },
    ]);
  });

  it("works with a Keyv", async () => {
    const store: SnapshotStore = new Keyv();
    const keeper = keep(store);
    expect(await keeper.save(await warm())).toBe("done");
    expect(await keeper.load(provide())).toBe("done");
    expect(await keeper.remove(provide())).toBe("done");
    expect(await keeper.load(provide())).toBe("missing");
  });

  it("says what is missing: a snapshot, or a key set", async () => {
    const keeper = keep();
    expect(await keeper.load(provide())).toBe("missing");
    expect(await keeper.save(provide())).toBe("missing");
    expect(await keep({ ...texts, get: () => null, set() {}, delete() {} }).load(provide())).toBe("missing");
    expect(texts.size).toBe(0);
    expect(failures).toEqual([]);
  });

  it("keeps each provider under a key of its own", async () => {
    const keeper = keep(texts, { keyPrefix: "p:" });
    await keeper.save(await warm({ tenantId: "a", providerId: "b" }));
    await keeper.save(await warm({ tenantId: "__proto__", providerId: "b" }));
    expect([...texts.keys()]).toEqual(["p:a:b", "p:__proto__:b"]);
  });

  it.each([
    ["right after the fetch", 0, 0, TTL_MS + STALE_MS],
    ["later", 5 * MINUTE + 0.25, 0, TTL_MS + STALE_MS - 5 * MINUTE],
    ["when the wall clock was put back", 5 * MINUTE, -3 * MINUTE, TTL_MS + STALE_MS - 5 * MINUTE],
  ])("lets the store forget what is of no more use: %s", async (_, laterMs, stepMs, ttlMs) => {
    const entry = await warm();
    await clock.advance(laterMs);
    clock.setWallClock(clock.nowMs() + stepMs);
    const asked: number[] = [];
    await keep({ get() {}, set: (_key, _text, ttl) => void asked.push(ttl), delete() {} }).save(entry);
    expect(asked).toEqual([ttlMs]);
  });

  it("asks the store to keep nothing for longer than a set may live, whatever the clocks say", async () => {
    const entry = await warm();
    const snapshot = { url: server.url, keys: await publicKeys(), ttlMs: TTL_MS };
    const asked: number[] = [];
    const keeper = keep({ get() {}, set: (_key, _text, ttl) => void asked.push(ttl), delete() {} });
    const from = (fetchedAtMs: number, staleWhileErrorMs = STALE_MS): SnapshotEntry => ({
      ...entry,
      jwks: { snapshot: () => ({ ...snapshot, fetchedAtMs }), hydrate: entry.jwks.hydrate },
      settings: { ...entry.settings, staleWhileErrorMs },
    });
    expect(await keeper.save(from(clock.nowMs() + 60 * MINUTE))).toBe("done");
    expect(await keeper.save(from(clock.nowMs(), Number.MAX_VALUE))).toBe("done");
    expect(await keeper.save(from(clock.nowMs() - TTL_MS - STALE_MS))).toBe("missing");
    expect(asked).toEqual([TTL_MS + STALE_MS, 365 * 24 * 60 * MINUTE]);
  });

  describe("with a store that was tampered with", () => {
    it("I1: takes no planted key: a token that it signed is refused", async () => {
      const attacker = await createTestIssuer({ issuer: issuer.issuer });
      const keys = attacker
        .jwks()
        .keys.map(({ kid = "", kty = "", crv = "", x = "", y = "" }) => ({ kid, kty, crv, x, y }));
      const planted = await seal({ keys }, "a secret that the attacker chose");
      const token = await attacker.mint();
      for (const text of [planted, planted.replace(/\n.*\n/, "\n"), JSON.stringify({ keys })]) {
        texts.set(KEY, text);
        const entry = provide();
        expect(await keep().load(entry)).toBe("refused");
        expect(entry.jwks.peekKey(query(attacker.kid))).toBeUndefined();
        await expect(jwtVerify(token, entry.jwks)).rejects.toMatchObject({
          code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        });
      }
      const failure = { tenantId: "acme", providerId: "main", operation: "get", reason: "refused" };
      expect(failures).toEqual([failure, failure, failure]);
    });

    it.each([
      ["tenant", { tenantId: "evil" }],
      ["provider", { providerId: "other" }],
      ["issuer", { issuer: "https://evil.example" }],
      ["URL", { url: "https://evil.example/jwks.json" }],
    ])("I1: takes no snapshot of another %s", async (_, other) => {
      await keep().save(await warm());
      const [text = ""] = texts.values();
      const entry = provide(other);
      expect(await keep({ get: () => text, set() {}, delete() {} }).load(entry)).toBe("refused");
      expect(entry.jwks.status().kids).toEqual([]);
    });

    it.each([
      ["past its life", -TTL_MS - STALE_MS],
      ["from the future", MINUTE],
      ["from before the epoch", Number.NEGATIVE_INFINITY],
    ])("I1: takes no snapshot %s, and asks the issuer instead", async (_, offsetMs) => {
      texts.set(KEY, await seal({ fetchedAtMs: Math.max(-1, clock.nowMs() + offsetMs) }));
      const entry = provide();
      const { hits } = server;
      expect(await keep().load(entry)).toBe("refused");
      expect(entry.jwks.status().state).toBe("empty");
      expect(await entry.jwks.getKey(query())).toBeDefined();
      expect(server.hits).toBe(hits + 1);
      expect(failures).toEqual([]);
    });

    it("I1: does not read 50 MB", async () => {
      const text = `${await seal({})}${" ".repeat(50 * 1_024 * 1_024)}`;
      expect(await keep({ get: () => text, set() {}, delete() {} }).load(provide())).toBe("refused");
    });

    it.each<[string, unknown]>([
      ["a number", 7],
      ["an object", { keys: [] }],
      ["HTML", "<html>"],
      ["an error object", new Error("WRONGTYPE")],
    ])("I1: refuses %s", async (_, garbage) => {
      expect(await keep({ get: () => garbage, set() {}, delete() {} }).load(provide())).toBe("refused");
      expect(failures).toMatchObject([{ operation: "get", reason: "refused" }]);
    });

    it("I1: refuses authentic keys that this release would not use, such as too many", async () => {
      const [key] = await publicKeys();
      if (key === undefined) throw new Error("no key");
      texts.set(KEY, await seal({ keys: Array.from({ length: 101 }, (_, index) => ({ ...key, kid: `k${index}` })) }));
      const entry = provide();
      expect(await keep().load(entry)).toBe("refused");
      expect(entry.jwks.status().kids).toEqual([]);
      expect(failures).toMatchObject([{ reason: "refused" }]);
    });

    it("I2: brings no removed key back into a process that knows better", async () => {
      const keeper = keep();
      const entry = await warm();
      await keeper.save(entry);
      const removed = issuer.kid;
      await clock.advance(SECOND);
      await issuer.rotate();
      issuer.remove(removed);
      await entry.jwks.refresh();
      expect(await keeper.load(entry)).toBe("refused");
      expect(entry.jwks.status().kids).toEqual([issuer.kid]);
      expect(failures).toEqual([]);
    });

    it("I2: refuses a removed key from the first answer on, which is asked for at once", async () => {
      const keeper = keep();
      await keeper.save(await warm());
      const removed = issuer.kid;
      await issuer.rotate();
      issuer.remove(removed);
      const entry = provide();
      const confirmed = Promise.withResolvers<void>();
      entry.jwks.onChange(() => {
        if (entry.jwks.status().kids.includes(issuer.kid)) confirmed.resolve();
      });
      expect(await keeper.load(entry)).toBe("done");
      await confirmed.promise;
      expect(entry.jwks.peekKey(query(removed))).toBeUndefined();
      await expect(entry.jwks.getKey(query(removed))).rejects.toMatchObject({ code: "ERR_KEY_NOT_FOUND" });
    });

    it("I2: lets no key live longer by being stored and restored again and again", async () => {
      const keeper = keep();
      await keeper.save(await warm());
      server.answer({ status: 500 });
      const fetchedAtMs = clock.nowMs();
      let last = provide();
      for (let ageMs = 0; ageMs < TTL_MS + STALE_MS; ageMs += 4 * MINUTE) {
        last = provide();
        expect(await keeper.load(last)).toBe("done");
        expect(last.jwks.status()).toMatchObject({ fetchedAtMs, usableUntilMs: fetchedAtMs + TTL_MS + STALE_MS });
        expect(await keeper.save(last)).toBe("done");
        await clock.advance(4 * MINUTE);
      }
      expect(last.jwks.peekKey(query())).toBeUndefined();
      expect(await keeper.save(last)).toBe("missing");
      expect(await keeper.load(provide())).toBe("refused");
    });
  });

  describe("with a store that fails", () => {
    const fail = (): never => {
      throw new Error("NOAUTH redis://:password@host");
    };

    it.each<[string, SnapshotStore]>([
      ["throws", { get: fail, set: fail, delete: fail }],
      ["rejects", { get: async () => fail(), set: async () => fail(), delete: async () => fail() }],
    ])("I3: goes on when the store %s", async (_, store) => {
      const keeper = keep(store);
      const entry = await warm();
      expect(await keeper.save(entry)).toBe("failed");
      expect(await keeper.load(entry)).toBe("failed");
      expect(await keeper.remove(entry)).toBe("failed");
      const failure = { tenantId: "acme", providerId: "main", reason: "store" };
      expect(failures).toEqual(["set", "get", "delete"].map((operation) => ({ ...failure, operation })));
      expect(counted.map(({ operation, outcome }) => [operation, outcome])).toEqual([
        ["set", "store"],
        ["get", "store"],
        ["delete", "store"],
      ]);
      expect(JSON.stringify([failures, counted])).not.toContain("password");
    });

    it("I3: counts a text that the store says it has not kept as failed", async () => {
      const keeper = keep({ get() {}, set: async () => false, delete: async () => false });
      expect(await keeper.save(await warm())).toBe("failed");
      expect(await keeper.remove(provide())).toBe("done");
      expect(failures).toMatchObject([{ operation: "set", reason: "store" }]);
    });

    it("I3: answers requests for keys while a store that never answers is asked to load and to save", async () => {
      const store = createSlowStore(texts);
      const keeper = keep(store);
      const entry = provide();
      const ended: string[] = [];
      const loading = keeper.load(entry).then((outcome) => ended.push(outcome));
      expect(await entry.jwks.getKey(query())).toBeDefined();
      const saving = keeper.save(entry).then((outcome) => ended.push(outcome));
      await store.reached(2);
      expect(await entry.jwks.getKey(query())).toBeDefined();
      await clock.advance(99);
      expect(store.asked).toEqual(["get", "set"]);
      expect(ended).toEqual([]);
      await clock.advance(1);
      await Promise.all([loading, saving]);
      expect(ended).toEqual(["failed", "failed"]);
      expect(failures).toMatchObject([
        { operation: "get", reason: "timeout" },
        { operation: "set", reason: "timeout" },
      ]);
    });

    it("I3: takes nothing from an answer that comes late", async () => {
      texts.set(KEY, await seal({}));
      const store = createSlowStore(texts);
      const keeper = keep(store);
      const entry = provide();
      const loading = keeper.load(entry);
      await clock.advance(100);
      expect(await loading).toBe("failed");
      store.finish(0);
      // Whatever was to become of it has, once another one is taken from the same text.
      const other = provide();
      const loadingOther = keeper.load(other);
      store.finish(1);
      expect(await loadingOther).toBe("done");
      expect(entry.jwks.status().state).toBe("empty");
    });

    it("I3: tells of the calls that were not answered, not of those that were not made for it", async () => {
      let asked = 0;
      const keeper = keep({
        get() {
          asked++;
          return new Promise(() => {});
        },
        set() {},
        delete() {},
      });
      const outcomes = Promise.all(
        Array.from({ length: 200 }, (_, index) => keeper.load(provide({ providerId: `${index}` }))),
      );
      await clock.advance(200);
      expect(new Set(await outcomes)).toEqual(new Set(["failed"]));
      expect(asked).toBeLessThan(40);
      expect(failures.length).toBe(asked);
      expect(counted.filter(({ outcome }) => outcome === "unmade").length).toBe(200 - asked);
    });
  });

  it("writes one text at a time, then the set that is in hand by then", async () => {
    const store = createSlowStore(texts);
    const keeper = keep(store);
    const entry = await warm();
    const outcomes = [keeper.save(entry), keeper.save(entry), keeper.save(entry)];
    await store.reached(1);
    await clock.advance(1);
    await issuer.rotate();
    await entry.jwks.refresh();
    outcomes.push(keeper.save(entry));
    expect(store.asked).toEqual(["set"]);
    store.finish(0);
    await outcomes[0];
    expect(texts.get(KEY)).not.toContain(`"${issuer.kid}"`);
    await store.reached(2);
    store.finish(1);
    expect(await Promise.all(outcomes)).toEqual(["done", "done", "done", "done"]);
    expect(store.asked).toEqual(["set", "set"]);
    expect(texts.get(KEY)).toContain(`"${issuer.kid}"`);
  });

  it("deletes after a write that lands late, though that was given up on", async () => {
    const store = createSlowStore(texts);
    const keeper = keep(store);
    const saving = keeper.save(await warm());
    await store.reached(1);
    await clock.advance(100);
    expect(await saving).toBe("failed");
    // Nobody waits for a store that is silent, nor for what stands behind that.
    expect(await keeper.remove(provide())).toBe("failed");
    expect(store.asked).toEqual(["set"]);
    store.finish(0);
    expect(texts.size).toBe(1);
    await store.reached(2);
    store.finish(1);
    expect(store.asked).toEqual(["set", "delete"]);
    expect(texts.size).toBe(0);
  });

  it("does not write what waits when the provider is removed, and does when it is registered again", async () => {
    const store = createSlowStore(texts);
    const keeper = keep(store);
    const entry = await warm();
    const outcomes = [keeper.save(entry), keeper.save(entry), keeper.remove(entry)];
    await store.reached(1);
    store.finish(0);
    await store.reached(2);
    store.finish(1);
    expect(await Promise.all(outcomes)).toEqual(["done", "done", "done"]);
    const again = [keeper.remove(entry), keeper.save(await warm())];
    await store.reached(3);
    store.finish(2);
    await store.reached(4);
    store.finish(3);
    await Promise.all(again);
    expect(store.asked).toEqual(["set", "delete", "delete", "set"]);
    expect(texts.size).toBe(1);
  });

  it("reads once for two who restore at once", async () => {
    const text = await seal({});
    let asked = 0;
    const keeper = keep({ get: () => (asked++ === 0 ? text : undefined), set() {}, delete() {} });
    const entry = provide();
    expect(await Promise.all([keeper.load(entry), keeper.load(entry)])).toEqual(["done", "done"]);
    expect(asked).toBe(1);
    expect(await keeper.load(entry)).toBe("missing");
  });

  it("lets an answer of the issuer win that comes while a snapshot is read", async () => {
    const text = await seal({});
    const stored = Promise.withResolvers<string>();
    const old = issuer.kid;
    await clock.advance(SECOND);
    await issuer.rotate();
    issuer.remove(old);
    const entry = provide();
    const loading = keep({ get: () => stored.promise, set() {}, delete() {} }).load(entry);
    await entry.jwks.refresh();
    stored.resolve(text);
    expect(await loading).toBe("refused");
    expect(entry.jwks.status().kids).toEqual([issuer.kid]);
  });

  it("lets an answer of the issuer win that comes after a snapshot though it was asked for before", async () => {
    const text = await seal({});
    const answer = Promise.withResolvers<void>();
    const old = issuer.kid;
    await clock.advance(SECOND);
    await issuer.rotate();
    issuer.remove(old);
    server.answer({ body: issuer.jwks(), after: answer.promise });
    const { hits } = server;
    const entry = provide();
    const fetching = entry.jwks.refresh();
    await server.reached(hits + 1);
    expect(await keep({ get: () => text, set() {}, delete() {} }).load(entry)).toBe("done");
    expect(entry.jwks.status().kids).toEqual([old]);
    answer.resolve();
    await fetching;
    expect(entry.jwks.status().kids).toEqual([issuer.kid]);
  });

  it("is not troubled by a provider that is disposed while its snapshot is read", async () => {
    const text = await seal({});
    const entry = provide();
    const loading = keep({ get: () => text, set() {}, delete() {} }).load(entry);
    entry.jwks[Symbol.dispose]();
    expect(await loading).toBe("refused");
    expect(failures).toEqual([]);
  });

  it("is not troubled by a listener or telemetry that throws", async () => {
    const fault = (): never => {
      throw new Error("listener");
    };
    const keeper = createSnapshotKeeper(
      { store: { get: fault, set: fault, delete: fault }, secret: SECRET },
      { clock, telemetry: { count: fault, record: fault }, onFailure: fault },
    );
    keepers.push(keeper);
    expect(await keeper.load(provide())).toBe("failed");
    expect(await keeper.remove(provide())).toBe("failed");
  });

  describe("when disposed", () => {
    it("waits for a write under way, and asks for nothing more", async () => {
      const store = createSlowStore(texts);
      const keeper = keep(store);
      const entry = await warm();
      const saving = keeper.save(entry);
      await store.reached(1);
      let disposed = false;
      const disposing = keeper[Symbol.asyncDispose]().then(() => {
        disposed = true;
      });
      expect(await keeper.load(entry)).toBe("failed");
      await clock.advance(99);
      expect(disposed).toBe(false);
      store.finish(0);
      await disposing;
      expect(await saving).toBe("done");
      const refused = [keeper.save(entry), keeper.load(entry), keeper.remove(entry)];
      expect(await Promise.all(refused)).toEqual(["failed", "failed", "failed"]);
      expect(store.asked).toEqual(["set"]);
      entry.jwks[Symbol.dispose]();
      expect(clock.pendingTimers).toBe(0);
    });

    it("waits no longer than for one answer, whatever is under way or waits, and leaves no timer", async () => {
      const store = createSlowStore(texts);
      const keeper = keep(store);
      const entry = await warm();
      const other = await warm({ tenantId: "other" });
      const ended = [keeper.save(entry), keeper.save(other), keeper.remove(entry), keeper.remove(other)];
      await store.reached(2);
      await clock.advance(50);
      const disposing = keeper[Symbol.asyncDispose]();
      expect(keeper[Symbol.asyncDispose]()).toBe(disposing);
      await clock.advance(25);
      // One write is done, and what waited for it is begun; the other is neither done nor was it ever.
      store.finish(0);
      await store.reached(3);
      await clock.advance(75);
      await disposing;
      expect((await Promise.all(ended)).sort()).toEqual(["done", "failed", "failed", "failed"]);
      for (const { jwks } of [entry, other]) jwks[Symbol.dispose]();
      expect(clock.pendingTimers).toBe(0);
      store.finish(1);
      await clock.advance(1);
      expect(store.asked).toEqual(["set", "set", "delete"]);
    });
  });

  it.each<[object, string]>([
    [{ secret: "short" }, "options.snapshots.secret must have at least 32 bytes, got 5"],
    [{ timeoutMs: 0 }, "options.snapshots.timeoutMs must be a positive finite number, got 0"],
    [{ store: {} }, "options.snapshots.store must have a method get()"],
  ])("I6: refuses %o", (options, message) => {
    expect(() => keep(texts, options)).toThrow(message);
  });
});
