import { X509Certificate } from "node:crypto";
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";
import { describe, expect, it } from "vitest";
import { encodeBase64url } from "../../src/lib/base64url.js";
import { parseCompactJws } from "../../src/token/compact-jws.js";
import { certificateThumbprint, readConfirmation } from "../../src/verify/confirmation.js";
import { unsignedToken } from "../support/forge.js";
import { createSelfSigned } from "../support/self-signed.js";

const ONE = encodeBase64url(new Uint8Array(32).fill(1));
const OTHER = encodeBase64url(new Uint8Array(32).fill(2));
const BOUND = expect.objectContaining({ code: "ERR_TOKEN_BOUND" });

describe("readConfirmation()", () => {
  it("gives nothing for a token without the claim, one inherited from a prototype among them", () => {
    expect(readConfirmation({ sub: "alice" })).toBeUndefined();
    expect(readConfirmation(Object.create({ cnf: { jkt: ONE } }))).toBeUndefined();
  });

  it("gives what the token is bound to, one or both", () => {
    expect(readConfirmation({ cnf: { jkt: ONE } })).toEqual({ keyThumbprint: ONE, certificateThumbprint: undefined });
    expect(readConfirmation({ cnf: { "x5t#S256": ONE } })).toEqual({
      keyThumbprint: undefined,
      certificateThumbprint: ONE,
    });
    const both = readConfirmation({ cnf: { jkt: ONE, "x5t#S256": OTHER } });
    expect(both).toEqual({ keyThumbprint: ONE, certificateThumbprint: OTHER });
    expect(Object.isFrozen(both)).toBe(true);
  });

  it("takes the thumbprint that another library computes", async () => {
    const { publicKey } = await generateKeyPair("ES256");
    const jkt = await calculateJwkThumbprint(await exportJWK(publicKey));
    expect(readConfirmation({ cnf: { jkt } })?.keyThumbprint).toBe(jkt);
  });

  it.each([null, true, 1, ONE, [], [{ jkt: ONE }], {}])("E11: refuses a cnf that is %j", (cnf) => {
    expect(() => readConfirmation({ cnf })).toThrow(BOUND);
  });

  it.each(["jwk", "jwe", "kid", "jku", "x5t", "JKT", "jkt ", "toString", "x5t#S512"])(
    "E11: refuses a cnf with the member %j, beside one that is known and alone",
    (member) => {
      expect(() => readConfirmation({ cnf: { [member]: ONE } })).toThrow(BOUND);
      expect(() => readConfirmation({ cnf: { jkt: ONE, [member]: ONE } })).toThrow(BOUND);
    },
  );

  it("E11: refuses a cnf with a member that stands for the prototype of plain objects", () => {
    const { payload } = parseCompactJws(
      unsignedToken({ header: { alg: "ES256" }, payload: JSON.parse(`{"cnf":{"__proto__":{"jkt":"${ONE}"}}}`) }),
    );
    expect(() => readConfirmation(payload)).toThrow(BOUND);
  });

  it.each([
    ["empty", ""],
    ["short", ONE.slice(1)],
    ["of 20 bytes, as SHA-1", encodeBase64url(new Uint8Array(20))],
    ["of 33 bytes", encodeBase64url(new Uint8Array(33))],
    ["padded", `${ONE}=`],
    ["in hexadecimal", "01".repeat(32)],
    // The last character holds two bits that count for nothing.
    ["another spelling", `${ONE.slice(0, -1)}F`],
    ["no string", 1],
    ["null", null],
    ["undefined", undefined],
    ["a list", [ONE]],
  ])("E11: refuses a thumbprint that is %s", (_, thumbprint) => {
    expect(() => readConfirmation({ cnf: { jkt: thumbprint } })).toThrow(BOUND);
    expect(() => readConfirmation({ cnf: { "x5t#S256": thumbprint } })).toThrow(BOUND);
    expect(() => readConfirmation({ cnf: { jkt: ONE, "x5t#S256": thumbprint } })).toThrow(BOUND);
  });
});

describe("certificateThumbprint()", () => {
  it("gives the digest that OpenSSL shows as the SHA-256 fingerprint", () => {
    const certificate = new X509Certificate(createSelfSigned().cert);
    const fingerprint = Buffer.from(certificate.fingerprint256.replaceAll(":", ""), "hex").toString("base64url");
    expect(certificateThumbprint(certificate.raw)).toBe(fingerprint);
    expect(readConfirmation({ cnf: { "x5t#S256": fingerprint } })?.certificateThumbprint).toBe(fingerprint);
  });
});
