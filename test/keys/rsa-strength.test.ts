import { generateKeyPairSync } from "node:crypto";
import type { JWK } from "jose";
import { describe, expect, it } from "vitest";
import { assertStrongRsa } from "../../src/keys/rsa-strength.js";

const jwk = (modulusLength: number, publicExponent: number): JWK =>
  generateKeyPairSync("rsa", { modulusLength, publicExponent }).publicKey.export({ format: "jwk" }) as JWK;

describe("assertStrongRsa()", () => {
  it("passes the smallest and the largest size", () => {
    expect(() => assertStrongRsa(jwk(2048, 65537))).not.toThrow();
    const { n } = { n: Buffer.alloc(1024, 0xff).toString("base64url") };
    expect(() => assertStrongRsa({ kty: "RSA", n, e: "AQAB" })).not.toThrow();
  });

  it("C4, C5: refuses one bit less, one more, and an exponent that is small or even", () => {
    const { n = "" } = jwk(2048, 65537);
    const small = Buffer.from(n, "base64url");
    small[0] = 0x7f;
    const huge = Buffer.concat([Buffer.of(1), Buffer.alloc(1024)]).toString("base64url");
    for (const bad of [
      { n: small.toString("base64url"), e: "AQAB" },
      { n: huge, e: "AQAB" },
      { n, e: "AQ" },
      { n, e: "Aw" },
      { n, e: "AQAC" },
    ]) {
      expect(() => assertStrongRsa({ kty: "RSA", ...bad })).toThrow(expect.objectContaining({ code: "ERR_KEY_WEAK" }));
    }
  });

  it("refuses members that are missing or not base64url", () => {
    for (const bad of [{}, { n: "", e: "AQAB" }, { n: "AQAB==", e: "AQAB" }]) {
      expect(() => assertStrongRsa({ kty: "RSA", ...bad })).toThrow(
        expect.objectContaining({ code: "ERR_KEY_INVALID" }),
      );
    }
  });
});
