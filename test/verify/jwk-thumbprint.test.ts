import { calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";
import { describe, expect, it } from "vitest";
import { jwkThumbprint } from "../../src/verify/jwk-thumbprint.js";

// RFC 7638 section 3.1.
const RFC_7638_KEY = {
  kty: "RSA",
  n: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
  e: "AQAB",
  alg: "RS256",
  kid: "2011-04-29",
};

describe("jwkThumbprint()", () => {
  it("gives the thumbprint of the example of RFC 7638", () => {
    expect(jwkThumbprint(RFC_7638_KEY)).toBe("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  });

  it.each(["ES256", "ES384", "ES512", "EdDSA", "RS256"])("agrees with another library on keys for %s", async (alg) => {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = await exportJWK(publicKey);
    const shuffled = Object.fromEntries(Object.entries({ ...jwk, kid: "x", use: "sig" }).reverse());
    expect(jwkThumbprint(shuffled)).toBe(await calculateJwkThumbprint(jwk));
    expect(jwkThumbprint({ ...(await exportJWK(privateKey)) })).toBe(await calculateJwkThumbprint(jwk));
  });

  it.each([
    {},
    { kty: "oct", k: "AA" },
    { kty: ["EC"], crv: "P-256", x: "AA", y: "AA" },
    { kty: "EC", crv: "P-256", x: "AA" },
    { kty: "EC", crv: "P-256", x: "AA", y: 1 },
    { kty: "OKP", crv: "Ed25519", x: ["AA"] },
    { kty: "RSA", n: { toJSON: "AA" }, e: "AQAB" },
    { kty: "RSA", e: "AQAB" },
    Object.create({ kty: "OKP", crv: "Ed25519", x: "AA" }),
    Object.assign(Object.create({ x: "AA" }), { kty: "OKP", crv: "Ed25519" }),
  ])("gives none for what lacks a text that defines a key (%#)", (jwk) => {
    expect(jwkThumbprint(jwk)).toBeUndefined();
  });
});
