import { createHash, createPublicKey, type JsonWebKeyInput } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encodeBase58 } from "../../src/keys/base58.js";
import { generateSigningKey } from "../../src/keys/signing-key.js";
import { isFingerprint, jwkThumbprint, keyFingerprint } from "../../src/keys/thumbprint.js";
import { JWS_ALGORITHMS } from "../../src/token/algorithms.js";

// RFC 7638 section 3.1.
const RFC_KEY = {
  kty: "RSA",
  n: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
  e: "AQAB",
  alg: "RS256",
  kid: "2011-04-29",
} as const;

describe("jwkThumbprint()", () => {
  it("gives the thumbprint of the example in RFC 7638", async () => {
    expect(await jwkThumbprint(RFC_KEY)).toBe("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  });

  it("is the same for the private and the public JWK", async () => {
    const { key, privateJwk } = await generateSigningKey();
    expect(await jwkThumbprint(privateJwk)).toBe(await jwkThumbprint(key.publicJwk));
  });

  it("refuses a JWK that lacks a member", async () => {
    await expect(jwkThumbprint({ kty: "EC", crv: "P-256" })).rejects.toMatchObject({ code: "ERR_KEY_INVALID" });
  });
});

describe("keyFingerprint()", () => {
  it.each(JWS_ALGORITHMS)("is the Base58 of the digest of what OpenSSL exports, for %s", async (algorithm) => {
    const { key, privateJwk } = await generateSigningKey({ algorithm });
    const input = { key: key.publicJwk, format: "jwk" } as JsonWebKeyInput;
    const der = createPublicKey(input).export({ type: "spki", format: "der" });
    const expected = encodeBase58(createHash("sha256").update(der).digest());
    expect(await keyFingerprint(key.publicJwk)).toBe(expected);
    expect(await keyFingerprint(privateJwk)).toBe(expected);
  });

  it("refuses what is no key", async () => {
    await expect(keyFingerprint({ kty: "oct", k: "AAAA" })).rejects.toMatchObject({ code: "ERR_KEY_ALGORITHM" });
    const offCurve = { kty: "EC", crv: "P-256", x: "A".repeat(43), y: "A".repeat(43) } as const;
    await expect(keyFingerprint(offCurve)).rejects.toMatchObject({ code: "ERR_KEY_INVALID" });
  });
});

describe("isFingerprint()", () => {
  it("accepts the Base58 of any 32 bytes, those that begin with zeros too", () => {
    const withZeros = (zeros: number) => new Uint8Array(32).fill(1, zeros);
    for (let zeros = 0; zeros <= 32; zeros++) expect(isFingerprint(encodeBase58(withZeros(zeros)))).toBe(true);
    expect(isFingerprint(encodeBase58(new Uint8Array(32).fill(255)))).toBe(true);
  });

  it.each(["", "1".repeat(31), "1".repeat(45), "0".repeat(43), `${"1".repeat(42)}l`, `${"1".repeat(43)}\n`])(
    "refuses %j",
    (text) => expect(isFingerprint(text)).toBe(false),
  );
});
