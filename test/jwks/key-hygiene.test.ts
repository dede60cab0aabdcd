import { generateKeyPairSync, type JsonWebKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { findFlaw } from "../../src/jwks/key-hygiene.js";

const ec: JsonWebKey = {
  ...generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" }),
  kid: "ec",
};
const ed: JsonWebKey = { ...generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }), kid: "ed" };
const rsa: JsonWebKey = {
  ...generateKeyPairSync("rsa", { modulusLength: 2_048 }).publicKey.export({ format: "jwk" }),
  kid: "rsa",
};

describe("findFlaw()", () => {
  it("finds none in sound public keys, with or without what they may say of themselves", () => {
    for (const key of [ec, ed, rsa]) expect(findFlaw(key)).toBeUndefined();
    expect(findFlaw({ ...ec, alg: "ES256", use: "sig", key_ops: ["verify"], x5c: ["…"], ext: true })).toBeUndefined();
    expect(findFlaw({ ...rsa, alg: "PS384", key_ops: ["sign", "verify"] })).toBeUndefined();
  });

  it.each([null, undefined, "key", 7, true, [], [ec]])("takes %o for no object", (jwk) => {
    expect(findFlaw(jwk)).toBe("not an object");
  });

  it("A14: calls a key symmetric by its type or by its one secret member", () => {
    expect(findFlaw({ kty: "oct", kid: "o", k: "AA" })).toBe("symmetric");
    expect(findFlaw({ ...ec, k: "AA" })).toBe("symmetric");
    expect(findFlaw({ ...ec, kty: "oct" })).toBe("symmetric");
  });

  it.each(["d", "p", "q", "dp", "dq", "qi", "oth", "priv"])(
    "A15: calls a key with the member %s private, whatever its value, before anything else is wrong",
    (member) => {
      for (const value of ["AA", "", null, 0]) {
        expect(findFlaw({ ...rsa, [member]: value })).toBe("private");
        expect(findFlaw({ ...rsa, kid: undefined, use: "enc", [member]: value })).toBe("private");
      }
    },
  );

  it.each([
    [{ ...ec, kid: "" }, "kid"],
    [{ ...ec, kid: "x".repeat(257) }, "kid"],
    [{ ...ec, kid: "x".repeat(256) }, undefined],
    [{ ...ec, kid: "a b" }, "kid"],
    [{ ...ec, kid: 7 }, "kid"],
    [{ ...ec, use: "enc" }, "use"],
    [{ ...ec, use: null }, "use"],
    [{ ...ec, key_ops: "verify" }, "key_ops"],
    [{ ...ec, key_ops: [["verify"]] }, "key_ops"],
    [{ ...ec, key_ops: null }, "key_ops"],
    [{ ...ec, alg: "RS256" }, "algorithm"],
    [{ ...ec, alg: null }, "algorithm"],
    [{ ...ec, kty: "__proto__" }, "algorithm"],
    [{ ...ed, crv: "Ed448" }, "algorithm"],
    [{ ...ed, crv: "X25519" }, "algorithm"],
    [{ ...rsa, e: "AQ" }, "weak"],
    [{ ...ec, x: ec.y?.slice(1) }, "invalid"],
    [{ ...ed, x: "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }, "weak"],
  ])("A16: tells why a key is not used (%#)", (jwk, flaw) => {
    expect(findFlaw(jwk)).toBe(flaw);
  });

  it("A10: takes no member from what every object inherits", () => {
    const { kid: _kid, ...nameless } = ec;
    expect(findFlaw(JSON.parse(`{"__proto__":${JSON.stringify({ kid: "inherited" })},"kty":"EC"}`))).toBe("kid");
    expect(findFlaw(nameless)).toBe("kid");
    expect(findFlaw(JSON.parse(JSON.stringify({ ...ec, constructor: "d", toString: "k" })))).toBeUndefined();
  });
});
