import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { parsePublicKeyPem } from "../../../src/app/credentials/public-key-pem.js";
import { encodeBase58 } from "../../../src/keys/base58.js";
import { freshPublicKeyPem } from "../../support/public-keys.js";

const toPem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();
const ec = (namedCurve: string): KeyObject => generateKeyPairSync("ec", { namedCurve }).publicKey;
const rsa = (modulusLength: number): KeyObject => generateKeyPairSync("rsa", { modulusLength }).publicKey;

describe("parsePublicKeyPem()", () => {
  it.each([
    ["EC P-256", ec("P-256")],
    ["EC P-384", ec("P-384")],
    ["EC P-521", ec("P-521")],
    ["Ed25519", generateKeyPairSync("ed25519").publicKey],
    ["RSA of 2048 bits", rsa(2_048)],
  ])("gives the key and the fingerprint of %s", async (_name, key) => {
    const { jwk, fingerprint } = await parsePublicKeyPem(toPem(key));
    const der = key.export({ type: "spki", format: "der" });
    expect(fingerprint).toBe(encodeBase58(createHash("sha256").update(der).digest()));
    expect(toPem(createPublicKey({ key: jwk as never, format: "jwk" }))).toBe(toPem(key));
  });

  it("takes white space round the block and line ends of Windows", async () => {
    const pem = freshPublicKeyPem();
    const { fingerprint } = await parsePublicKeyPem(pem);
    expect((await parsePublicKeyPem(`\r\n${pem.replaceAll("\n", "\r\n")}\n`)).fingerprint).toBe(fingerprint);
  });

  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const rsaPair = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const pem = toPem(pair.publicKey);
  it.each([
    ["a private key in PKCS#8", pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString()],
    ["a private key in SEC1", pair.privateKey.export({ type: "sec1", format: "pem" }).toString()],
    ["a private key behind the public one", pem + pair.privateKey.export({ type: "pkcs8", format: "pem" })],
    ["two public keys", pem + toPem(ec("P-256"))],
    ["text before the block", `my key\n${pem}`],
    ["a public key in PKCS#1", rsaPair.publicKey.export({ type: "pkcs1", format: "pem" }).toString()],
    ["RSA of 1024 bits", toPem(rsa(1_024))],
    [
      "RSA with the exponent 3",
      toPem(generateKeyPairSync("rsa", { modulusLength: 2_048, publicExponent: 3 }).publicKey),
    ],
    ["EC secp256k1", toPem(ec("secp256k1"))],
    ["EC P-224", toPem(ec("secp224r1"))],
    ["X25519", toPem(generateKeyPairSync("x25519").publicKey)],
    ["RSA-PSS", toPem(generateKeyPairSync("rsa-pss", { modulusLength: 2_048 }).publicKey)],
    ["a damaged block", pem.replace(/[A-Za-z0-9]{8}/, "AAAAAAAA")],
    ["no PEM", "hello"],
    ["nothing", ""],
  ])("refuses %s, naming the field and showing nothing of it", async (_name, text) => {
    const error = await parsePublicKeyPem(text).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "CredentialRefusedError", code: "invalid_key" });
    expect((error as Error).message).toMatch(/^public_key_pem is /);
    expect((error as Error).message).not.toContain("AAAA");
    expect((error as Error).message).not.toMatch(/[A-Za-z0-9+/]{20}/);
  });
});
