import { describe, expect, it } from "vitest";
import { algorithmsForKey, isJwsAlgorithm, JWS_ALGORITHMS } from "../../src/token/algorithms.js";

describe("isJwsAlgorithm()", () => {
  it("accepts the asymmetric algorithms", () => {
    expect(JWS_ALGORITHMS.every(isJwsAlgorithm)).toBe(true);
  });

  it.each(["none", "None", "NONE", "nOnE", "", "HS256", "ES256 ", "es256", "__proto__", null, undefined, ["ES256"]])(
    "A1: refuses %j",
    (alg) => expect(isJwsAlgorithm(alg)).toBe(false),
  );
});

describe("algorithmsForKey()", () => {
  it("A4: gives what the type and curve allow, narrowed by the key's own alg", () => {
    expect(algorithmsForKey({ kty: "RSA" })).toHaveLength(6);
    expect(algorithmsForKey({ kty: "RSA", alg: "RS256" })).toEqual(["RS256"]);
    expect(algorithmsForKey({ kty: "EC", crv: "P-384" })).toEqual(["ES384"]);
    expect(algorithmsForKey({ kty: "OKP", crv: "Ed25519" })).toEqual(["EdDSA"]);
  });

  it.each([
    { kty: "oct" },
    { kty: "EC", crv: "secp256k1" },
    { kty: "OKP", crv: "X25519" },
    { kty: "EC", crv: "P-256", alg: "RS256" },
    { kty: "RSA", alg: "HS256" },
    {},
  ])("A5: gives nothing for %j", (jwk) => expect(algorithmsForKey(jwk)).toEqual([]));
});
