import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { parsePrivatePem } from "../../src/keys/node-pem.js";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const expected = privateKey.export({ format: "jwk" });
const sec1 = privateKey.export({ type: "sec1", format: "pem" }).toString();
const pkcs8 = privateKey.export({ type: "pkcs8", format: "pem" }).toString();

describe("parsePrivatePem()", () => {
  it("finds the private key among other blocks and text, whatever the line ends", () => {
    const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    const spki = publicKey.export({ type: "spki", format: "pem" });
    expect(parsePrivatePem(parameters + sec1, undefined)).toEqual(expected);
    expect(parsePrivatePem(`subject=jobs\n${spki}${pkcs8}${spki}`, undefined)).toEqual(expected);
    expect(parsePrivatePem(pkcs8.replaceAll("\n", "\r\n"), undefined)).toEqual(expected);
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
