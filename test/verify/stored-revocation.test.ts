import { createHash } from "node:crypto";
import fc from "fast-check";
import { Keyv } from "keyv";
import { beforeEach, describe, expect, it } from "vitest";
import { noTelemetry } from "../../src/telemetry/telemetry.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import type { RevocationQuery } from "../../src/verify/revocation.js";
import { createRevocationCheck } from "../../src/verify/revocation-check.js";
import { revocationKey } from "../../src/verify/revocation-key.js";
import {
  createStoredRevocation,
  type RevocationStore,
  type StoredRevocation,
  type StoredRevocationOptions,
} from "../../src/verify/stored-revocation.js";
import { createPrincipal } from "../support/principals.js";

const NOW = 1_800_000_000;
const DAY = 24 * 60 * 60;
const A = "https://a.test";
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_REVOCATION_UNAVAILABLE" };

function query(changes: Partial<RevocationQuery> = {}): RevocationQuery {
  return { issuer: A, kid: "k1", jti: "t1", subject: "alice", issuedAt: NOW, ...changes };
}

describe("createStoredRevocation()", () => {
  let clock: ManualClock;
  let values: Map<string, unknown>;
  /** Of what was set, how long it may stay. */
  let ttls: number[];
  let store: RevocationStore;

  beforeEach(() => {
    clock = createManualClock(NOW * 1_000);
    values = new Map();
    ttls = [];
    store = {
      get: (key) => values.get(key),
      set(key, value, ttlMs) {
        values.set(key, value);
        ttls.push(ttlMs);
      },
    };
  });
  const create = (options: StoredRevocationOptions = {}): StoredRevocation =>
    createStoredRevocation(store, { clock, ...options });

  it("E12: knows at the next call what another process has revoked", async () => {
    const mine = create();
    const other = create();
    expect(await mine.isRevoked(query())).toBe(false);
    await other.revoke({ issuer: A, jti: "t1" });
    expect(await mine.isRevoked(query())).toBe(true);
    expect(await mine.isRevoked(query({ jti: "t2" }))).toBe(false);
    expect(await mine.isRevoked(query({ jti: undefined }))).toBe(false);
    await other.revoke({ issuer: A, kid: "k2" });
    expect(await mine.isRevoked(query({ jti: "t2", kid: "k2" }))).toBe(true);
  });

  it("E12: revokes what a subject was given before an instant", async () => {
    const revocation = create();
    await revocation.revoke({ issuer: A, subject: "alice", issuedBefore: NOW });
    expect(await revocation.isRevoked(query({ issuedAt: NOW - 0.001 }))).toBe(true);
    expect(await revocation.isRevoked(query({ issuedAt: undefined }))).toBe(true);
    expect(await revocation.isRevoked(query({ issuedAt: NOW }))).toBe(false);
    expect(await revocation.isRevoked(query({ subject: "bob", issuedAt: 0 }))).toBe(false);
    await revocation.revoke({ issuer: A, subject: "alice", issuedBefore: NOW - 100 });
    expect(await revocation.isRevoked(query({ issuedAt: NOW - 1 }))).toBe(true);
    await revocation.revoke({ issuer: A, subject: "alice", issuedBefore: NOW + 0.5 });
    expect(await revocation.isRevoked(query({ issuedAt: NOW }))).toBe(true);
    expect(await revocation.isRevoked(query({ issuedAt: NOW + 1 }))).toBe(false);
  });

  it("has each entry kept until a minute after the last token that it can mean has expired", async () => {
    const revocation = create();
    await revocation.revoke({ issuer: A, jti: "t1", expiresAt: NOW + 300.5 });
    await revocation.revoke({ issuer: A, jti: "t1" });
    await revocation.revoke({ issuer: A, subject: "alice", issuedBefore: NOW - 500 });
    await revocation.revoke({ issuer: A, subject: "alice", issuedBefore: NOW + 500 });
    await revocation.revoke({ issuer: A, kid: "k1" });
    await create({ maxLifetimeSeconds: 60 }).revoke({ issuer: A, jti: "t1" });
    const seconds = [360.5, DAY + 60, DAY + 60, DAY + 560, 3_650 * DAY, 120];
    expect(ttls).toEqual(seconds.map((each) => each * 1_000));
    await revocation.revoke({ issuer: A, jti: "expired", expiresAt: NOW - 60 });
    expect(ttls.length).toBe(seconds.length);
  });

  it("E12: keeps what was known for as long as before when an earlier instant is revoked after a later one", async () => {
    const revocation = create();
    await revocation.revoke({ issuer: A, subject: "alice", issuedBefore: NOW + 3_600 });
    await revocation.revoke({ issuer: A, subject: "alice", issuedBefore: NOW });
    expect(ttls).toEqual([(DAY + 3_660) * 1_000, (DAY + 3_660) * 1_000]);
  });

  it("E6: keeps names apart whatever they are made of, and shows nothing of them", () => {
    const text = fc.string({ maxLength: 4, unit: fc.constantFrom("a", ":", '"', ",", "[", "]", "\\") });
    const kind = fc.constantFrom("jti", "kid", "subject");
    const name = fc.tuple(kind, text, text) as fc.Arbitrary<Parameters<typeof revocationKey>>;
    fc.assert(
      fc.property(name, name, (one, other) => {
        expect(revocationKey(...one) === revocationKey(...other)).toBe(JSON.stringify(one) === JSON.stringify(other));
        expect(revocationKey(...one)).toMatch(/^latchkey:revoked:[\w-]{43}$/);
      }),
      { numRuns: 200 },
    );
  });

  it("looks under keys that others can tell", async () => {
    const text = '["jti","https://a.test","t\\u00fc"]'.replace("\\u00fc", "ü");
    const key = `mine:${createHash("sha256").update(text, "utf8").digest("base64url")}`;
    expect(revocationKey("jti", A, "tü", "mine:")).toBe(key);
    values.set(key, "true");
    expect(await create({ keyPrefix: "mine:" }).isRevoked(query({ jti: "tü" }))).toBe(true);
    expect(await create().isRevoked(query({ jti: "tü" }))).toBe(false);
  });

  it.each<readonly [unknown, boolean]>([
    [undefined, false],
    [null, false],
    ["true", true],
    [true, true],
    [`${NOW + 1}`, true],
    [NOW + 0.5, true],
    [`${NOW}`, false],
    ["0", false],
    ["1e21", true],
  ])("takes %j for what it says", async (value, expected) => {
    values.set(revocationKey("subject", A, "alice"), value);
    expect(await create().isRevoked(query())).toBe(expected);
  });

  it.each([
    "",
    "false",
    "null",
    '"true"',
    "revoked",
    "-1",
    "NaN",
    "1e999",
    "{}",
    "[1800000001]",
    false,
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    {},
    [],
    new Date(),
    new Uint8Array(4),
  ])("E12: takes %j for a failure of the store, not for a token that is not revoked", async (value) => {
    for (const key of [
      revocationKey("jti", A, "t1"),
      revocationKey("kid", A, "k1"),
      revocationKey("subject", A, "alice"),
    ]) {
      values = new Map([[key, value]]);
      await expect(create().isRevoked(query())).rejects.toMatchObject(UNAVAILABLE);
    }
  });

  it("E12: fails as the store does, unless what it did answer is enough", async () => {
    const fail = new Error("ECONNREFUSED");
    const failing = revocationKey("kid", A, "k1");
    const inner = store;
    store = {
      ...inner,
      async get(key) {
        if (key === failing) throw fail;
        return inner.get(key);
      },
    };
    await expect(create().isRevoked(query())).rejects.toBe(fail);
    await create().revoke({ issuer: A, jti: "t1" });
    expect(await create().isRevoked(query())).toBe(true);
    store = {
      get() {
        throw fail;
      },
    };
    await expect(create().isRevoked(query())).rejects.toBe(fail);
  });

  it("E12: does not wait for a store that answers no more", async () => {
    store = { get: () => new Promise(() => {}) };
    const check = createRevocationCheck(create(), { telemetry: noTelemetry, clock, toleranceMs: 0 });
    const ended = Promise.allSettled(Array.from({ length: 3 }, () => check(createPrincipal())));
    await clock.advance(250);
    expect(await ended).toMatchObject([1, 2, 3].map(() => ({ status: "rejected", reason: UNAVAILABLE })));
    expect(clock.pendingTimers).toBe(0);
  });

  it("asks for all names of a token at the same time", async () => {
    const asked: string[] = [];
    const gate = Promise.withResolvers<void>();
    store = {
      async get(key) {
        asked.push(key);
        await gate.promise;
      },
    };
    const answer = create().isRevoked(query());
    await clock.advance(0);
    expect(new Set(asked)).toEqual(
      new Set([revocationKey("jti", A, "t1"), revocationKey("kid", A, "k1"), revocationKey("subject", A, "alice")]),
    );
    gate.resolve();
    expect(await answer).toBe(false);
  });

  it("takes a Keyv, if it is one that tells of its failures", async () => {
    const keyv = new Keyv({ throwOnErrors: true });
    const revocation = createStoredRevocation(keyv, { clock });
    await revocation.revoke({ issuer: A, subject: "alice", issuedBefore: NOW + 1 });
    expect(await revocation.isRevoked(query())).toBe(true);
    await keyv.set(revocationKey("kid", A, "k2"), true);
    expect(await revocation.isRevoked(query({ subject: "bob", kid: "k2" }))).toBe(true);
    expect(() => createStoredRevocation(new Keyv())).toThrow(/store\.throwOnErrors must be true/);
    const adapter = Object.assign(new Map(), { throwOnErrors: false });
    expect(() => createStoredRevocation(new Keyv(adapter, { throwOnErrors: true }))).toThrow(
      /store\.store\.throwOnErrors must be true/,
    );
  });

  it("says when an entry was not kept", async () => {
    store = { get: () => undefined, set: async () => false };
    await expect(create().revoke({ issuer: A, jti: "t1" })).rejects.toMatchObject(UNAVAILABLE);
    store = { get: () => undefined };
    await expect(create().revoke({ issuer: A, jti: "t1" })).rejects.toThrow(/store must have a method set\(\)/);
    await expect(create().revoke({ issuer: A, jti: "" })).rejects.toThrow(/entry\.jti must not be empty/);
  });

  it("refuses options that cannot be used, by name", () => {
    expect(() => createStoredRevocation({} as RevocationStore)).toThrow(/store\.get must be a function/);
    expect(() => create({ keyPrefix: 7 as never })).toThrow(/keyPrefix must be a string/);
    expect(() => create({ maxLifetimeSeconds: 0 })).toThrow(/maxLifetimeSeconds must be a positive/);
    expect(() => create({ ttl: 1 } as object)).toThrow(/ttl is not an option/);
  });
});
