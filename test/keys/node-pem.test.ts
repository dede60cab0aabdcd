import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { parsePrivatePem } from "../../src/keys/node-pem.js";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const expected = privateKey.export({ format: "jwk" });
const sec1 = privateKey.export({ type: "sec1", format: "pem" }).toString();
const pkcs8 = privateKey.export({ type: "pkcs8", format: "pem" }).toString();

// Node writes DSA keys as PKCS#8 alone.
const DSA = `-----BEGIN DSA PRIVATE KEY-----
MIIBzAIBAAKBgQDm8ui9Eyc2/1zU603sD1qOSwbBInsBQ6wuOR/ky10m0eGlL2Q/
oxh/KvnfHPmNiXrDciJ4uTQ3F6sQ88/lyg0aFcKqgOjGYWgTzG5++bdm/J5w+Qyc
kyrLjz+ol7esZjJwIotI/M+eEsSPyRlhPsA4NEln4/5S3Z5/Ed4avudiBwIdAOT+
O3IeUnY/RA1E1pr+6BBrXagApnbII1RmtwECgYBG8+3VMzr9Nv3MzVdp94J4aD/S
cFJ1aa3TUQmR7hRvadXBEYhhaWmW7AXJ8DxapVO13MflKwtpu6NpXHb0q+QXWZkx
oOZjKTjrD7VeC+uXZy8RfLXHSY3XTq5CkO1+SSTrFJ8oBaW7geZLYp3TClufi89P
vyyjmPiZFNJST2TKlwKBgQC+R1prM7Pp8RFc2snmV7aEHqG/k+5NxI2TwOofBwGB
1W0Om4S56hi4Nx3+SpS5+jg72kzvbqkcJCxTgJq4hJoIg1LM0iJvGnGOPv2gmV2Z
N4+06+dsvgQkrthJw6VVzb7kiHhNNBHGkXVnMPtJpP01T5GX0JH9DxckvaJegxsp
ZAIdANPH9ElaYgCcQZj2R3H9fiyCrjPoOY+0pYEO5pY=
-----END DSA PRIVATE KEY-----`;

describe("parsePrivatePem()", () => {
  it("finds the private key among other blocks and text, whatever the line ends", () => {
    const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    const spki = publicKey.export({ type: "spki", format: "pem" });
    expect(parsePrivatePem(parameters + sec1, undefined)).toEqual(expected);
    expect(parsePrivatePem(`subject=jobs\n${spki}${pkcs8}${spki}`, undefined)).toEqual(expected);
    expect(parsePrivatePem(pkcs8.replaceAll("\n", "\r\n"), undefined)).toEqual(expected);
  });

  it("passes over blocks that do not end, or end as something else", () => {
    const begun = "-----BEGIN PRIVATE KEY-----\nAAAA\n";
    expect(parsePrivatePem(begun + pkcs8, undefined)).toEqual(expected);
    expect(parsePrivatePem(`${begun}-----END CERTIFICATE-----\n${pkcs8}`, undefined)).toEqual(expected);
  });

  it("takes no longer for a text that is all beginnings", () => {
    const text = "-----BEGIN PRIVATE KEY-----\n".repeat(36_000);
    const startedMs = performance.now();
    expect(() => parsePrivatePem(text, undefined)).toThrow(expect.objectContaining({ code: "ERR_KEY_INVALID" }));
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });

  it("names the type of a DSA key, which has a label of its own", () => {
    expect(() => parsePrivatePem(DSA, undefined)).toThrow(
      expect.objectContaining({ code: "ERR_KEY_ALGORITHM", message: expect.stringContaining("dsa") }),
    );
  });

  it("ignores a passphrase for a key that is not encrypted", () => {
    expect(parsePrivatePem(pkcs8, "not needed")).toEqual(expected);
  });

  it.each([
    ["text", "ERR_KEY_INVALID"],
    [pkcs8.replace("-----END", "----END"), "ERR_KEY_INVALID"],
    [pkcs8.replace(/\n.{20}/, "\n"), "ERR_KEY_INVALID"],
    ["-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "ERR_KEY_INVALID"],
    ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "ERR_KEY_PUBLIC"],
  ])("refuses %j", (pem, code) => {
    expect(() => parsePrivatePem(pem, undefined)).toThrow(expect.objectContaining({ code }));
  });
});
