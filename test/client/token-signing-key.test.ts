import { describe, expect, it } from "vitest";
import { assertSigningKey, type TokenSigningKey } from "../../src/client/token-signing-key.js";
import { generateSigningKey } from "../../src/keys/signing-key.js";

describe("assertSigningKey()", () => {
  it("takes a signing key, and names what another one lacks", async () => {
    const { key } = await generateSigningKey();
    expect(() => assertSigningKey(key)).not.toThrow();
    const { publicKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, [
      "sign",
      "verify",
    ]);
    for (const [bad, message] of [
      [undefined, "key must be a signing key, got undefined"],
      ["-----BEGIN PRIVATE KEY-----", "key must be a signing key, got string"],
      [{ ...key, kid: "" }, "key.kid must not be empty"],
      [{ ...key, algorithm: "HS256" }, "key.algorithm"],
      [{ ...key, privateKey: publicKey }, "key.privateKey"],
      [{ ...key, privateKey: {} }, "key.privateKey"],
    ] as const) {
      expect(() => assertSigningKey(bad as unknown as TokenSigningKey)).toThrow(message);
    }
  });
});
