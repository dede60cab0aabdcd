import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createManualClock } from "../../src/testing/manual-clock.js";
import type { RevocationQuery } from "../../src/verify/revocation.js";
import type { RevocationEntry } from "../../src/verify/revocation-entry.js";
import { createRevocationList } from "../../src/verify/revocation-list.js";
import { createVerifier, type Verifier } from "../../src/verify/verifier.js";

const NOW = 1_800_000_000;
const DAY = 24 * 60 * 60;
const A = "https://a.test";
const B = "https://b.test";

function query(changes: Partial<RevocationQuery> = {}): RevocationQuery {
  return { issuer: A, kid: "k1", jti: "t1", subject: "alice", issuedAt: NOW, ...changes };
}

describe("createRevocationList()", () => {
  it("E12: revokes a token, a key, or what a subject was given before an instant", () => {
    const list = createRevocationList();
    expect(list.isRevoked(query())).toBe(false);
    list.revoke({ issuer: A, jti: "t1" });
    expect(list.isRevoked(query())).toBe(true);
    expect(list.isRevoked(query({ jti: "t2" }))).toBe(false);
    expect(list.isRevoked(query({ jti: undefined }))).toBe(false);
    list.revoke({ issuer: A, kid: "k2" });
    expect(list.isRevoked(query({ jti: "t2", kid: "k2" }))).toBe(true);
    list.revoke({ issuer: A, subject: "bob", issuedBefore: NOW });
    const bob = { jti: "t3", subject: "bob" };
    expect(list.isRevoked(query({ ...bob, issuedAt: NOW - 1 }))).toBe(true);
    expect(list.isRevoked(query({ ...bob, issuedAt: NOW - 0.001 }))).toBe(true);
    expect(list.isRevoked(query({ ...bob, issuedAt: NOW }))).toBe(false);
    expect(list.size).toBe(3);
  });

  it("counts a token without iat as issued before", () => {
    const list = createRevocationList();
    list.revoke({ issuer: A, subject: "alice", issuedBefore: 0 });
    expect(list.isRevoked(query({ issuedAt: undefined }))).toBe(true);
    expect(list.isRevoked(query({ issuedAt: 0 }))).toBe(false);
  });

  it("E5: takes no name of one issuer for that of another, and no name of one kind for one of another", () => {
    const list = createRevocationList();
    list.revoke({ issuer: A, jti: "x" });
    list.revoke({ issuer: A, kid: "y" });
    list.revoke({ issuer: A, subject: "z", issuedBefore: NOW + 1 });
    expect(list.isRevoked(query({ issuer: B, jti: "x", kid: "y", subject: "z" }))).toBe(false);
    expect(list.isRevoked(query({ jti: "y", kid: "z", subject: "x" }))).toBe(false);
    expect(list.isRevoked(query({ jti: "z", kid: "x", subject: "y" }))).toBe(false);
  });

  it("E6: keeps names apart whatever they are made of", () => {
    const part = fc.constantFrom("a", ":", '"', ",", "https://b.test", "__proto__", "constructor", "\0", " ");
    const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(name, name, name, name, (issuer, jti, otherIssuer, otherJti) => {
        const list = createRevocationList();
        list.revoke({ issuer, jti });
        const isSame = issuer === otherIssuer && jti === otherJti;
        expect(list.isRevoked(query({ issuer: otherIssuer, jti: otherJti }))).toBe(isSame);
      }),
      { numRuns: 200 },
    );
  });

  it("lets the later of two instants count, in whatever order they come", () => {
    const list = createRevocationList();
    list.revoke({ issuer: A, subject: "alice", issuedBefore: NOW });
    list.revoke({ issuer: A, subject: "alice", issuedBefore: NOW - 100 });
    expect(list.isRevoked(query({ issuedAt: NOW - 1 }))).toBe(true);
    list.revoke({ issuer: A, subject: "alice", issuedBefore: NOW + 100 });
    expect(list.isRevoked(query({ issuedAt: NOW + 99 }))).toBe(true);
    expect(list.size).toBe(1);
  });

  it.each<readonly [string, RevocationEntry, number]>([
    ["a token whose end is known", { issuer: A, jti: "t1", expiresAt: NOW + 300 }, 300],
    ["a token whose end is not known", { issuer: A, jti: "t1" }, DAY],
    ["a subject", { issuer: A, subject: "alice", issuedBefore: NOW - 500 }, DAY],
    ["a subject, from an instant to come", { issuer: A, subject: "alice", issuedBefore: NOW + 500 }, DAY + 500],
  ])("forgets %s a minute after the last token it can mean has expired, to make room", async (_, entry, seconds) => {
    const clock = createManualClock(NOW * 1_000);
    const list = createRevocationList({ maxEntries: 2, clock });
    list.revoke({ issuer: A, kid: "k2" });
    list.revoke(entry);
    const other: RevocationEntry = { issuer: B, jti: "other" };
    await clock.advance((seconds + 60) * 1_000 - 1);
    expect(() => list.revoke(other)).toThrow(RangeError);
    expect(list.isRevoked(query({ issuedAt: NOW - 501 }))).toBe(true);
    await clock.advance(1);
    list.revoke(other);
    expect(list.isRevoked(query({ issuedAt: NOW - 501 }))).toBe(false);
    expect(list.isRevoked(query({ issuer: B, jti: "other" }))).toBe(true);
    expect(list.size).toBe(2);
  });

  it("never forgets a key: who has stolen it goes on signing", async () => {
    const clock = createManualClock(NOW * 1_000);
    const list = createRevocationList({ maxEntries: 1, clock });
    list.revoke({ issuer: A, kid: "k1" });
    await clock.advance(1_000 * DAY * 1_000);
    expect(() => list.revoke({ issuer: A, jti: "t2" })).toThrow(/full/);
    expect(list.isRevoked(query())).toBe(true);
  });

  it("refuses what it has no room for, and drops nothing that it has", () => {
    const list = createRevocationList({ maxEntries: 2 });
    list.revoke({ issuer: A, jti: "t1" });
    list.revoke({ issuer: A, subject: "bob", issuedBefore: NOW });
    expect(() => list.revoke({ issuer: A, jti: "t2" })).toThrow("maxEntries (2)");
    expect(() => list.revoke({ issuer: B, kid: "k1" })).toThrow(RangeError);
    expect(list.size).toBe(2);
    expect(list.isRevoked(query())).toBe(true);
    // What is known already needs no room.
    list.revoke({ issuer: A, jti: "t1" });
    list.revoke({ issuer: A, subject: "bob", issuedBefore: NOW + 100 });
    expect(list.isRevoked(query({ jti: "t3", subject: "bob", issuedAt: NOW + 50 }))).toBe(true);
  });

  it("remembers for as long as tokens may live", async () => {
    const clock = createManualClock(NOW * 1_000);
    const list = createRevocationList({ maxEntries: 1, maxLifetimeSeconds: 10, clock });
    list.revoke({ issuer: A, jti: "t1" });
    await clock.advance(70_000);
    list.revoke({ issuer: A, jti: "t2" });
    expect(list.isRevoked(query())).toBe(false);
  });

  it("E12: serves no verifier that accepts tokens for longer than it remembers them", async () => {
    const open = (clockToleranceSeconds: number): Verifier =>
      createVerifier({
        issuers: [{ issuer: A, audience: "jobs", algorithms: ["ES256"], findKey: async () => undefined }],
        revocation: createRevocationList(),
        clockToleranceSeconds,
      });
    await open(60)[Symbol.asyncDispose]();
    expect(() => open(61)).toThrow("clockToleranceSeconds must be at most 60 with revocation, got 61");
  });

  it("refuses options that cannot be used, by name", () => {
    expect(() => createRevocationList({ maxEntries: 0 })).toThrow(/maxEntries must be a positive/);
    expect(() => createRevocationList({ maxLifetimeSeconds: Number.NaN })).toThrow(/maxLifetimeSeconds must be finite/);
    expect(() => createRevocationList({ maxEntry: 1 } as object)).toThrow(/maxEntry is not an option/);
  });
});
