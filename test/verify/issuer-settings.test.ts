import { exportJWK, generateKeyPair } from "jose";
import { describe, expect, it } from "vitest";
import { createVerifier } from "../../src/verify/verifier.js";
import type { VerifierOptions } from "../../src/verify/verifier-options.js";

const ISSUER = {
  issuer: "https://idp.test",
  audience: "https://service.test",
  algorithms: ["ES256"],
  jwksUri: "https://idp.test/jwks",
};

function createWith(changes: Readonly<Record<string, unknown>>): () => unknown {
  return () => createVerifier({ issuers: [{ ...ISSUER, ...changes }] } as unknown as VerifierOptions);
}

describe("resolveIssuer()", () => {
  it("accepts a whole configuration", () => {
    const optional = { tokenType: null, claims: { org: "tenant" }, maxLifetimeSeconds: 60, requiredClaims: [] };
    expect(createWith(optional)).not.toThrow();
    expect(createWith({ audience: null })).not.toThrow();
  });

  it.each([
    [{ issuer: "" }, "issuers[0].issuer must not be empty"],
    [{ requireBoundToken: true }, "issuers[0].requireBoundToken is not an option"],
    [{ claims: { role: "groups" } }, "issuers[0].claims.role is not an option"],
    [{ issuer: undefined }, "issuers[0].issuer must be a string, got undefined"],
    [{ issuer: ["https://idp.test"] }, "issuers[0].issuer must be a string, got array"],
    [{ audience: undefined }, "issuers[0].audience must be a string, got undefined"],
    [{ audience: "" }, "issuers[0].audience must not be empty"],
    [{ audience: [] }, "issuers[0].audience must not be empty"],
    [{ audience: ["a", ""] }, "issuers[0].audience[1] must not be empty"],
    [{ audience: /service/ }, "issuers[0].audience must be a string, got object"],
    [{ audience: [/service/] }, "issuers[0].audience[0] must be a string, got object"],
    [{ issuer: /idp/ }, "issuers[0].issuer must be a string, got object"],
    [{ algorithms: undefined }, "issuers[0].algorithms must be an array of strings, got undefined"],
    [{ algorithms: [] }, "issuers[0].algorithms must not be empty"],
    [{ algorithms: "ES256" }, "issuers[0].algorithms must be an array of strings, got string"],
    [{ algorithms: ["ES256", "HS256"] }, "issuers[0].algorithms[1] must be one of ES256"],
    [{ algorithms: ["none"] }, "issuers[0].algorithms[0] must be one of ES256"],
    [{ algorithms: ["es256"] }, "issuers[0].algorithms[0] must be one of ES256"],
    [{ algorithms: ["__proto__"] }, "issuers[0].algorithms[0] must be one of ES256"],
    [{ tokenType: "" }, "issuers[0].tokenType must not be empty"],
    [{ tokenType: 7 }, "issuers[0].tokenType must be a string, got number"],
    [{ maxLifetimeSeconds: 0 }, "issuers[0].maxLifetimeSeconds must be a positive finite number, got 0"],
    [{ maxLifetimeSeconds: -1 }, "issuers[0].maxLifetimeSeconds"],
    [{ maxLifetimeSeconds: "1 month" }, "issuers[0].maxLifetimeSeconds must be a number, got string"],
    [{ maxLifetimeSeconds: Number.POSITIVE_INFINITY }, "issuers[0].maxLifetimeSeconds must be finite"],
    [{ requiredClaims: "tenant" }, "issuers[0].requiredClaims must be an array of strings, got string"],
    [{ requiredClaims: [""] }, "issuers[0].requiredClaims[0] must not be empty"],
    [{ claims: { org: "" } }, "issuers[0].claims.org must not be empty"],
    [{ claims: { roles: ["roles"] } }, "issuers[0].claims.roles must be a string, got array"],
    [{ jwksUri: undefined }, "issuers[0] must have exactly one of jwksUri, discovery, jwks, keys, findKey"],
    [{ keys: { keys: [] } }, "issuers[0] must have exactly one of jwksUri, discovery, jwks, keys, findKey"],
    [{ jwksUri: "http://idp.test/jwks" }, "issuers[0].jwksUri must be an https: URL"],
    [{ jwksUri: "http://127.0.0.1/jwks" }, "issuers[0].jwksUri must be an https: URL"],
    [{ jwksUri: "jwks" }, "issuers[0].jwksUri must be an absolute URL"],
    [{ jwksUri: 7 }, "issuers[0].jwksUri must be a string or URL, got number"],
    [{ jwksOptions: { maxTtlMs: -1 } }, "issuers[0].jwksOptions.maxTtlMs must be a positive finite number, got -1"],
    [{ findKeyMaxAgeMs: 5 }, "issuers[0].findKeyMaxAgeMs has no effect without findKey"],
    [{ jwksUri: undefined, findKey: "find" }, "issuers[0].findKey must be a function, got string"],
    [{ jwksUri: undefined, findKey() {}, findKeyMaxAgeMs: 0 }, "issuers[0].findKeyMaxAgeMs must be a positive"],
    [{ jwksUri: undefined, findKey() {}, jwksOptions: {} }, "issuers[0].jwksOptions has no effect without jwksUri"],
    [{ jwksUri: undefined, jwks() {} }, "issuers[0].jwks must be what createJwks() gives, got function"],
    [{ jwksUri: undefined, jwks: {} }, "issuers[0].jwks must be what createJwks() gives, got object"],
  ])("I6: refuses %o", (changes, message) => {
    expect(createWith(changes)).toThrow(message);
  });

  it.each([
    [{ issuers: [] }, "issuers must not be empty"],
    [{ issuers: undefined }, "issuers must be an array, got undefined"],
    [{ issuers: [null] }, "issuers[0] must be an object, got null"],
    [{ issuers: [ISSUER, ISSUER] }, "issuers[1].issuer is listed twice"],
    [{ issuers: [ISSUER], clockToleranceSeconds: -1 }, "clockToleranceSeconds must be 0 or a positive finite number"],
    [{ issuers: [ISSUER], clockToleranceSeconds: " 5m" }, "clockToleranceSeconds must be a number, got string"],
    [{ issuers: [ISSUER], clockToleranceSeconds: Number.NaN }, "clockToleranceSeconds must be finite"],
    [{ issuers: [ISSUER], maxPendingVerifications: 0 }, "maxPendingVerifications must be a positive finite number"],
    [{ issuers: [ISSUER], tokenCache: { maxEntries: 1.5 } }, "tokenCache.maxEntries must be an integer"],
    [{ issuers: [ISSUER], tokenCache: { maxAgeMs: -1 } }, "tokenCache.maxAgeMs must be a positive finite number"],
  ])("I6: refuses %o", (options, message) => {
    expect(() => createVerifier(options as unknown as VerifierOptions)).toThrow(message);
  });

  it("A6: refuses static keys that are no plain sound public keys", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
    const key = { ...(await exportJWK(publicKey)), kid: "k" };
    for (const [keys, message] of [
      [{ toString: () => "key" }, "issuers[0].keys must be plain data"],
      [Promise.resolve({ keys: [key] }), "issuers[0].keys must be plain data"],
      [new Proxy({ keys: [key] }, {}), "issuers[0].keys must be plain data"],
      [{ keys: [new Proxy(key, {})] }, "issuers[0].keys must be plain data"],
      [null, "issuers[0].keys must be an object, got null"],
      ["-----BEGIN PUBLIC KEY-----", "issuers[0].keys must be an object, got string"],
      [[key], "issuers[0].keys.keys must be an array, got function"],
      [{ keys: [] }, "issuers[0].keys.keys has no usable key"],
      [{ keys: [{ ...key, use: "enc" }] }, "issuers[0].keys.keys has no usable key"],
      [{ keys: [key, { ...key, kid: undefined }] }, "issuers[0].keys.keys[1] is not a usable public key: kid"],
      [{ keys: [key, key] }, 'issuers[0].keys.keys[1] has the "kid" of a key before it'],
      [{ keys: [{ kty: "oct", kid: "o", k: "AA" }] }, "issuers[0].keys.keys[0] is not a usable public key: symmetric"],
      [{ keys: [{ ...(await exportJWK(privateKey)), kid: "k" }] }, "is not a usable public key: private"],
    ] as const) {
      expect(createWith({ jwksUri: undefined, keys })).toThrow(message);
    }
    expect(createWith({ jwksUri: undefined, keys: { keys: [key, { ...key, kid: "e", use: "enc" }] } })).not.toThrow();
  });
});
