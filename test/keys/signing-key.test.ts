import { generateKeyPairSync } from "node:crypto";
import { inspect } from "node:util";
import { exportJWK, generateKeyPair, importJWK, type JWK, jwtVerify, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { CredentialError } from "../../src/errors.js";
import { generateSigningKey, importSigningKey, type SigningKey } from "../../src/keys/signing-key.js";
import { jwkThumbprint } from "../../src/keys/thumbprint.js";
import { JWS_ALGORITHMS } from "../../src/token/algorithms.js";

const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "k"];

async function signs(key: SigningKey): Promise<boolean> {
  const header = { alg: key.algorithm, kid: key.kid };
  const token = await new SignJWT({ sub: "alice" }).setProtectedHeader(header).sign(key.privateKey);
  const { payload } = await jwtVerify(token, await importJWK(key.publicJwk, key.algorithm), {
    algorithms: [key.algorithm],
  });
  return payload.sub === "alice";
}

describe("generateSigningKey()", () => {
  it.each(JWS_ALGORITHMS)("makes a key that signs %s and cannot be exported", async (algorithm) => {
    const { key, privateJwk } = await generateSigningKey({ algorithm });
    expect(await signs(key)).toBe(true);
    expect(key.algorithm).toBe(algorithm);
    expect(key.kid).toBe(await jwkThumbprint(key.publicJwk));
    expect(key.publicJwk).toMatchObject({ kid: key.kid, alg: algorithm, use: "sig" });
    expect(Object.keys(key.publicJwk).filter((name) => PRIVATE_MEMBERS.includes(name))).toEqual([]);
    await expect(crypto.subtle.exportKey("jwk", key.privateKey)).rejects.toThrow();
    expect((await importSigningKey(privateJwk)).publicJwk).toEqual(key.publicJwk);
  });

  it("makes an ES256 key unless told otherwise", async () => {
    expect((await generateSigningKey()).key.algorithm).toBe("ES256");
  });

  it("L1: shows nothing private when printed", async () => {
    const { key, privateJwk } = await generateSigningKey();
    expect(inspect(key, { depth: 9, showHidden: true }) + JSON.stringify(key)).not.toContain(privateJwk.d);
  });
});

describe("importSigningKey()", () => {
  it("takes kid and alg from the JWK, and from the options before it", async () => {
    const { privateJwk } = await generateSigningKey({ algorithm: "RS256" });
    expect(await importSigningKey({ ...privateJwk, kid: "a", alg: "PS384" })).toMatchObject({
      kid: "a",
      algorithm: "PS384",
    });
    const { alg: _alg, ...bare } = privateJwk;
    expect(await importSigningKey(bare, { kid: "b", algorithm: "RS512" })).toMatchObject({
      kid: "b",
      algorithm: "RS512",
    });
    expect(await importSigningKey(bare)).toMatchObject({ algorithm: "RS256" });
  });

  it("takes a pair of Web Crypto and its algorithm", async () => {
    for (const algorithm of ["ES256", "PS256", "EdDSA"] as const) {
      const { privateKey, publicKey } = await generateKeyPair(algorithm);
      const key = await importSigningKey({ privateKey, publicJwk: await exportJWK(publicKey) });
      expect(key).toMatchObject({ algorithm, privateKey });
      expect(await signs(key)).toBe(true);
    }
  });

  it("imports a JWK whose use and key_ops say verify", async () => {
    const { privateJwk } = await generateSigningKey();
    const key = await importSigningKey({ ...privateJwk, use: "sig", key_ops: ["verify"], ext: false });
    expect(await signs(key)).toBe(true);
  });

  it("publishes only the members of a public key, whatever else the JWK has", async () => {
    const { privateJwk } = await generateSigningKey();
    const key = await importSigningKey({ ...privateJwk, backup: privateJwk.d } as JWK);
    expect(Object.keys(key.publicJwk).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
  });

  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }) as JWK;
  const otherEc = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }) as JWK;
  const rsa = (modulusLength: number, publicExponent = 0x10001): JWK =>
    generateKeyPairSync("rsa", { modulusLength, publicExponent }).privateKey.export({ format: "jwk" }) as JWK;

  it.each<[string, JWK, string]>([
    ["a public key", { kty: "EC", crv: "P-256", x: ec.x ?? "", y: ec.y ?? "" }, "ERR_KEY_PUBLIC"],
    ["a shared secret", { kty: "oct", k: "c2VjcmV0" }, "ERR_KEY_ALGORITHM"],
    ["a curve that nobody verifies", { ...ec, crv: "secp256k1" }, "ERR_KEY_ALGORITHM"],
    ["a curve for encryption", { kty: "OKP", crv: "X25519", x: "AA", d: "AA" }, "ERR_KEY_ALGORITHM"],
    ["an alg of another curve", { ...ec, alg: "ES384" }, "ERR_KEY_ALGORITHM"],
    ["the alg none", { ...ec, alg: "none" }, "ERR_KEY_ALGORITHM"],
    ["RSA of 1024 bits", rsa(1024), "ERR_KEY_WEAK"],
    ["RSA with the exponent 3", rsa(2048, 3), "ERR_KEY_WEAK"],
    ["RSA without a modulus", { kty: "RSA", e: "AQAB", d: "AQAB" }, "ERR_KEY_INVALID"],
    ["a missing coordinate", { kty: "EC", crv: "P-256", x: ec.x ?? "", d: ec.d ?? "" }, "ERR_KEY_INVALID"],
    ["a point off the curve", { ...ec, y: ec.x ?? "" }, "ERR_KEY_INVALID"],
    ["the public part of another key", { ...ec, x: otherEc.x ?? "", y: otherEc.y ?? "" }, "ERR_KEY_INVALID"],
    ["a kid that is a number", { ...ec, kid: 7 } as unknown as JWK, "ERR_KEY_INVALID"],
    ["a kid of two lines", { ...ec, kid: "a\nb" }, "ERR_KEY_INVALID"],
    ["A6: a promise", Promise.resolve(ec) as unknown as JWK, "ERR_KEY_INVALID"],
    ["A6: a string", "secret" as unknown as JWK, "ERR_KEY_INVALID"],
    ["A6: nothing", undefined as unknown as JWK, "ERR_KEY_INVALID"],
  ])("refuses %s", async (_name, jwk, code) => {
    const error = await importSigningKey(jwk).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CredentialError);
    expect(error).toMatchObject({ code });
    for (const member of PRIVATE_MEMBERS) {
      const secret: unknown = (jwk as Record<string, unknown> | undefined)?.[member];
      if (typeof secret === "string" && secret.length > 4) expect(inspect(error, { depth: 9 })).not.toContain(secret);
    }
  });

  it("refuses an algorithm that the key does not fit", async () => {
    await expect(importSigningKey(ec, { algorithm: "RS256" })).rejects.toMatchObject({ code: "ERR_KEY_ALGORITHM" });
    const { privateKey, publicKey } = await generateKeyPair("PS256");
    const source = { privateKey, publicJwk: await exportJWK(publicKey) };
    await expect(importSigningKey(source, { algorithm: "RS256" })).rejects.toMatchObject({ code: "ERR_KEY_ALGORITHM" });
  });

  it("refuses a pair that could be exported, is public, or does not belong together", async () => {
    const pair = await generateKeyPair("ES256", { extractable: true });
    const other = await generateKeyPair("ES256");
    const publicJwk = await exportJWK(pair.publicKey);
    for (const privateKey of [pair.privateKey, pair.publicKey, other.privateKey, {} as CryptoKey]) {
      await expect(importSigningKey({ privateKey, publicJwk })).rejects.toMatchObject({ code: "ERR_KEY_INVALID" });
    }
  });
});
