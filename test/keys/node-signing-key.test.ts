import { type ECKeyPairKeyObjectOptions, generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import type { JWK } from "jose";
import { describe, expect, it } from "vitest";
import { type LoadSigningKeyOptions, loadSigningKey } from "../../src/keys/node-signing-key.js";
import { jwkThumbprint } from "../../src/keys/thumbprint.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const ec = (namedCurve: ECKeyPairKeyObjectOptions["namedCurve"]) => generateKeyPairSync("ec", { namedCurve });
const rsa = (modulusLength: number) => generateKeyPairSync("rsa", { modulusLength });
const text = (key: KeyObject, type: "pkcs8" | "sec1" | "pkcs1"): string =>
  key.export({ type, format: "pem" }).toString();
const encrypted = (key: KeyObject, type: "pkcs8" | "sec1" | "pkcs1"): string =>
  key.export({ type, format: "pem", cipher: "aes-256-cbc", passphrase: "open sesame" }).toString();

const p256 = ec("P-256");
const rsa2048 = rsa(2048);
const ed25519 = generateKeyPairSync("ed25519");

describe("loadSigningKey()", () => {
  it.each<[string, string, string]>([
    ["PKCS#8 P-256", text(p256.privateKey, "pkcs8"), "ES256"],
    ["PKCS#8 P-384", text(ec("P-384").privateKey, "pkcs8"), "ES384"],
    ["SEC1 P-521", text(ec("P-521").privateKey, "sec1"), "ES512"],
    ["PKCS#8 RSA", text(rsa2048.privateKey, "pkcs8"), "RS256"],
    ["PKCS#1 RSA", text(rsa2048.privateKey, "pkcs1"), "RS256"],
    ["PKCS#8 Ed25519", text(ed25519.privateKey, "pkcs8"), "EdDSA"],
  ])("loads %s", async (_name, pem, algorithm) => {
    const key = await loadSigningKey({ pem });
    expect(key).toMatchObject({ algorithm, kid: await jwkThumbprint(key.publicJwk) });
    expect(key.privateKey.extractable).toBe(false);
  });

  it.each<[string, string]>([
    ["PKCS#8", encrypted(p256.privateKey, "pkcs8")],
    ["SEC1", encrypted(p256.privateKey, "sec1")],
    ["PKCS#1", encrypted(rsa2048.privateKey, "pkcs1")],
  ])("opens encrypted %s with its passphrase alone", async (_name, pem) => {
    expect(await loadSigningKey({ pem, passphrase: "open sesame" })).toHaveProperty("privateKey");
    for (const wrong of [{}, { passphrase: "" }, { passphrase: "open barley" }]) {
      await expect(loadSigningKey({ pem, ...wrong })).rejects.toMatchObject({ code: "ERR_KEY_PASSPHRASE" });
    }
  });

  it("loads a file with PEM or a JWK, and takes name and algorithm from the options first", async () => {
    const directory = await temporaryDirectory();
    const jwk = { ...(rsa2048.privateKey.export({ format: "jwk" }) as JWK), kid: "from-file", alg: "PS256" };
    await writeFile(join(directory, "key.json"), `\n${JSON.stringify(jwk)}`, { mode: 0o600 });
    await writeFile(join(directory, "key.pem"), text(rsa2048.privateKey, "pkcs8"), { mode: 0o600 });
    expect(await loadSigningKey({ path: join(directory, "key.json") })).toMatchObject({
      kid: "from-file",
      algorithm: "PS256",
    });
    expect(
      await loadSigningKey({ path: join(directory, "key.pem"), algorithm: "RS512", kid: "from-options" }),
    ).toMatchObject({ kid: "from-options", algorithm: "RS512" });
  });

  it("I7: refuses a file that others can read", async () => {
    const path = join(await temporaryDirectory(), "key.pem");
    await writeFile(path, text(p256.privateKey, "pkcs8"), { mode: 0o644 });
    await expect(loadSigningKey({ path })).rejects.toMatchObject({
      code: "ERR_KEY_PERMISSIONS",
      message: expect.stringContaining(`chmod 600 ${path}`),
    });
  });

  it("I7: says that the file is missing or empty", async () => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, "empty.pem"), " \n", { mode: 0o600 });
    for (const name of ["none.pem", "empty.pem"]) {
      const path = join(directory, name);
      await expect(loadSigningKey({ path })).rejects.toMatchObject({
        code: "ERR_KEY_MISSING",
        message: expect.stringContaining(path),
      });
    }
  });

  const damagedJwk = JSON.stringify(p256.privateKey.export({ format: "jwk" })).slice(0, -1);
  const rsaPss = generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).privateKey;
  it.each<[string, LoadSigningKeyOptions, string]>([
    ["a public key", { pem: p256.publicKey.export({ type: "spki", format: "pem" }).toString() }, "ERR_KEY_PUBLIC"],
    ["a public JWK", { jwk: p256.publicKey.export({ format: "jwk" }) as JWK }, "ERR_KEY_PUBLIC"],
    ["an empty text", { pem: "" }, "ERR_KEY_MISSING"],
    ["half a JWK", { pem: damagedJwk }, "ERR_KEY_INVALID"],
    ["RSA of 1024 bits", { pem: text(rsa(1024).privateKey, "pkcs8") }, "ERR_KEY_WEAK"],
    ["an algorithm of another type", { pem: text(p256.privateKey, "pkcs8"), algorithm: "RS256" }, "ERR_KEY_ALGORITHM"],
    ["an algorithm of another curve", { pem: text(p256.privateKey, "pkcs8"), algorithm: "ES384" }, "ERR_KEY_ALGORITHM"],
    ["a curve that nobody verifies", { pem: text(ec("secp256k1").privateKey, "pkcs8") }, "ERR_KEY_ALGORITHM"],
    ["a curve without a JWK", { pem: text(ec("brainpoolP256r1").privateKey, "pkcs8") }, "ERR_KEY_ALGORITHM"],
    ["a key restricted to PSS", { pem: text(rsaPss, "pkcs8") }, "ERR_KEY_ALGORITHM"],
    ["Ed448", { pem: text(generateKeyPairSync("ed448").privateKey, "pkcs8") }, "ERR_KEY_ALGORITHM"],
    ["X25519", { pem: text(generateKeyPairSync("x25519").privateKey, "pkcs8") }, "ERR_KEY_ALGORITHM"],
  ])("refuses %s without quoting it", async (_name, options, code) => {
    const error = await loadSigningKey(options).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "CredentialError", code });
    const { d } = p256.privateKey.export({ format: "jwk" });
    expect(inspect(error, { depth: 9 })).not.toContain(d);
  });

  it.each<[string, unknown]>([
    ["no source", {}],
    ["two sources", { pem: "a", path: "b" }],
    ["A6: a path that is an object", { path: { toString: () => "/etc/key.pem" } }],
    ["A6: a PEM text that is a number", { pem: 1 }],
  ])("throws TypeError for %s", async (_name, options) => {
    await expect(loadSigningKey(options as LoadSigningKeyOptions)).rejects.toThrow(TypeError);
  });
});
