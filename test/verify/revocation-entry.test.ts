import { describe, expect, it } from "vitest";
import { createRevocationList } from "../../src/verify/revocation-list.js";

describe("parseRevocationEntry()", () => {
  const good = { issuer: "https://a.test", jti: "secret" };

  it.each<readonly [unknown, RegExp]>([
    [undefined, /entry must be an object with a jti, kid or subject/],
    [null, /entry must be an object/],
    ["secret", /entry must be an object/],
    [{ issuer: "https://a.test" }, /entry must be an object/],
    [Object.create(good), /entry must be an object/],
    [{ jti: "secret" }, /entry\.issuer must be a string, got undefined/],
    [{ ...good, issuer: "" }, /entry\.issuer must not be empty/],
    [{ ...good, issuer: ["https://a.test"] }, /entry\.issuer must be a string, got array/],
    [{ ...good, jti: 7 }, /entry\.jti must be a string, got number/],
    [{ ...good, jti: "" }, /entry\.jti must not be empty/],
    [{ ...good, kid: "k1" }, /entry\.kid is not an option/],
    [{ ...good, subject: "alice", issuedBefore: 1 }, /entry\.subject is not an option/],
    [{ ...good, issuedBefore: 1 }, /entry\.issuedBefore is not an option/],
    [{ ...good, expires_at: 1 }, /entry\.expires_at is not an option/],
    [{ ...good, expiresAt: "1" }, /entry\.expiresAt must be a number, got string/],
    [{ ...good, expiresAt: 1_800_000_000_000 }, /entry\.expiresAt must be in seconds, got 1800000000000/],
    [{ ...good, expiresAt: null }, /entry\.expiresAt must be a number, got null/],
    [{ ...good, expiresAt: Number.POSITIVE_INFINITY }, /entry\.expiresAt must be finite/],
    [{ issuer: "https://a.test", kid: "k1", expiresAt: 1 }, /entry\.expiresAt is not an option/],
    [{ issuer: "https://a.test", subject: "secret" }, /entry\.issuedBefore must be a number, got undefined/],
    [{ issuer: "https://a.test", subject: "secret", issuedBefore: 2e11 }, /entry\.issuedBefore must be in seconds/],
    [{ issuer: "https://a.test", subject: "secret", issuedBefore: -1 }, /entry\.issuedBefore must be 0 or a positive/],
    [{ issuer: "https://a.test", subject: "secret", issuedBefore: Number.NaN }, /entry\.issuedBefore must be finite/],
    [[good], /entry must be an object with a jti/],
  ])("refuses %j, and shows nothing of it", (entry, message) => {
    const list = createRevocationList();
    expect(() => list.revoke(entry as typeof good)).toThrow(message);
    expect(() => list.revoke(entry as typeof good)).not.toThrow(/secret/);
    expect(list.size).toBe(0);
  });
});
