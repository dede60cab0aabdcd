import { generateKeyPairSync } from "node:crypto";
import { generateKeyPair } from "jose";
import { describe, expect, it } from "vitest";
import { toVerificationKey } from "../../src/jwks/crypto-key.js";
import { JWS_ALGORITHMS } from "../../src/token/algorithms.js";

const UNUSABLE = expect.objectContaining({ code: "ERR_KEY_UNUSABLE" });

describe("toVerificationKey()", () => {
  it.each(JWS_ALGORITHMS)("serves %s, and nothing else, with a key made for it", async (algorithm) => {
    const { publicKey } = await generateKeyPair(algorithm);
    const key = toVerificationKey("k", publicKey);
    expect(key).toMatchObject({ kid: "k", algorithms: [algorithm] });
    expect(key.key(algorithm)).toBe(publicKey);
    expect(key.key("HS256")).toBeUndefined();
  });

  it("A15: refuses private and symmetric keys", async () => {
    const { privateKey } = await generateKeyPair("ES256");
    expect(() => toVerificationKey("k", privateKey)).toThrow(UNUSABLE);
    const secret = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
    expect(() => toVerificationKey("k", secret)).toThrow(UNUSABLE);
  });

  it("C4: refuses weak RSA keys and keys for other purposes", async () => {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 1_024 });
    const weak = publicKey.toCryptoKey({ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, false, ["verify"]);
    expect(() => toVerificationKey("k", weak as CryptoKey)).toThrow(UNUSABLE);
    const old = { name: "RSASSA-PKCS1-v1_5", modulusLength: 2_048, publicExponent: new Uint8Array([1, 0, 1]) };
    const sha1 = await crypto.subtle.generateKey({ ...old, hash: "SHA-1" }, false, ["sign", "verify"]);
    expect(() => toVerificationKey("k", sha1.publicKey)).toThrow(UNUSABLE);
    const agreement = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);
    expect(() => toVerificationKey("k", agreement.publicKey)).toThrow(UNUSABLE);
  });
});
