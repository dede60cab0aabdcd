import { execFileSync } from "node:child_process";
import { createPublicKey, type ECKeyPairKeyObjectOptions, generateKeyPairSync, type KeyObject } from "node:crypto";
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { type JWK, jwtVerify, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { ConfigError, CredentialError } from "../../src/errors.js";
import { type LoadSigningKeyOptions, loadSigningKey } from "../../src/keys/node-signing-key.js";
import type { SigningKey } from "../../src/keys/signing-key.js";
import { jwkThumbprint } from "../../src/keys/thumbprint.js";
import type { JwsAlgorithm } from "../../src/token/algorithms.js";
import { createSelfSigned } from "../support/self-signed.js";
import { temporaryDirectory } from "../support/temporary-directory.js";
import { startTypescript } from "../support/typescript-process.js";

type PemType = "pkcs8" | "sec1" | "pkcs1";

const PASSPHRASE = "open sesame";

const ec = (namedCurve: ECKeyPairKeyObjectOptions["namedCurve"]) => generateKeyPairSync("ec", { namedCurve });
const rsa = (modulusLength: number) => generateKeyPairSync("rsa", { modulusLength });
const text = (key: KeyObject, type: PemType): string => key.export({ type, format: "pem" }).toString();
const encrypted = (key: KeyObject, type: PemType): string =>
  key.export({ type, format: "pem", cipher: "aes-256-cbc", passphrase: PASSPHRASE }).toString();
const jwkOf = (key: KeyObject): JWK => key.export({ format: "jwk" }) as JWK;

const p256 = ec("P-256");
const rsa2048 = rsa(2048);
const ed25519 = generateKeyPairSync("ed25519");

const KEYS: Readonly<Record<JwsAlgorithm, KeyObject>> = {
  ES256: p256.privateKey,
  ES384: ec("P-384").privateKey,
  ES512: ec("P-521").privateKey,
  RS256: rsa2048.privateKey,
  RS384: rsa2048.privateKey,
  RS512: rsa2048.privateKey,
  PS256: rsa2048.privateKey,
  PS384: rsa2048.privateKey,
  PS512: rsa2048.privateKey,
  EdDSA: ed25519.privateKey,
};

/** Each way to write down a key for an algorithm. */
function formatsOf(key: KeyObject): readonly (readonly [string, LoadSigningKeyOptions])[] {
  const older: PemType | undefined = { ec: "sec1", rsa: "pkcs1" }[String(key.asymmetricKeyType)] as PemType | undefined;
  const types: readonly PemType[] = older === undefined ? ["pkcs8"] : ["pkcs8", older];
  return [
    ...types.map((type) => [type, { pem: text(key, type) }] as const),
    ...types.map((type) => [`encrypted ${type}`, { pem: encrypted(key, type), passphrase: PASSPHRASE }] as const),
    ["JWK", { jwk: jwkOf(key) }],
    ["JWK text", { pem: JSON.stringify(jwkOf(key)) }],
  ];
}

const COMBINATIONS = (Object.entries(KEYS) as [JwsAlgorithm, KeyObject][]).flatMap(([algorithm, key]) =>
  formatsOf(key).map(([format, options]) => ({ algorithm, format, options })),
);

/** Signs with the key and verifies with the public part as OpenSSL has it. */
async function signs(key: SigningKey, algorithm: JwsAlgorithm): Promise<boolean> {
  const token = await new SignJWT({ sub: "alice" })
    .setProtectedHeader({ alg: key.algorithm, kid: key.kid })
    .sign(key.privateKey);
  const { payload } = await jwtVerify(token, createPublicKey(KEYS[algorithm]), { algorithms: [algorithm] });
  return payload.sub === "alice";
}

/** What loading fails with, having made sure that it shows nothing of `secrets`. */
async function failureOf(options: LoadSigningKeyOptions, ...secrets: readonly string[]): Promise<unknown> {
  const error = await loadSigningKey(options).then(
    () => "it loads",
    (reason: unknown) => reason,
  );
  const shown = inspect(error, { depth: 9, showHidden: true });
  for (const secret of secrets) expect(shown).not.toContain(secret);
  return error;
}

describe("loadSigningKey()", () => {
  it.each(COMBINATIONS)("signs $algorithm with $format", async ({ algorithm, options }) => {
    const key = await loadSigningKey({ ...options, algorithm });
    expect(key).toMatchObject({ algorithm, kid: await jwkThumbprint(key.publicJwk) });
    expect(await signs(key, algorithm)).toBe(true);
  });

  it.each(COMBINATIONS)("L4: imports $algorithm from $format as not extractable", async ({ algorithm, options }) => {
    const { privateKey } = await loadSigningKey({ ...options, algorithm });
    expect(privateKey.extractable).toBe(false);
    await expect(crypto.subtle.exportKey("jwk", privateKey)).rejects.toThrow();
    await expect(crypto.subtle.exportKey("pkcs8", privateKey)).rejects.toThrow();
  });

  it.each<[string, KeyObject, JwsAlgorithm]>([
    ["P-256", KEYS.ES256, "ES256"],
    ["P-384", KEYS.ES384, "ES384"],
    ["P-521", KEYS.ES512, "ES512"],
    ["RSA", KEYS.RS256, "RS256"],
    ["Ed25519", KEYS.EdDSA, "EdDSA"],
  ])("chooses the algorithm of %s when none is asked for", async (_name, key, algorithm) => {
    expect(await loadSigningKey({ pem: text(key, "pkcs8") })).toHaveProperty("algorithm", algorithm);
  });

  it.each<[string, string]>([
    ["PKCS#8", encrypted(p256.privateKey, "pkcs8")],
    ["SEC1", encrypted(p256.privateKey, "sec1")],
    ["PKCS#1", encrypted(rsa2048.privateKey, "pkcs1")],
  ])("I7: opens encrypted %s with its passphrase alone", async (_name, pem) => {
    expect(await loadSigningKey({ pem, passphrase: PASSPHRASE })).toHaveProperty("privateKey");
    const missing = { code: "ERR_KEY_PASSPHRASE", message: expect.stringContaining("give its passphrase") };
    for (const none of [{}, { passphrase: "" }]) expect(await failureOf({ pem, ...none })).toMatchObject(missing);
    expect(await failureOf({ pem, passphrase: "open barley" }, "open barley")).toMatchObject({
      code: "ERR_KEY_PASSPHRASE",
      message: expect.stringContaining("The passphrase is wrong"),
    });
  });

  it("loads a file with PEM or a JWK, and takes name and algorithm from the options first", async () => {
    const directory = await temporaryDirectory();
    const jwk = { ...jwkOf(rsa2048.privateKey), kid: "from-file", alg: "PS256" };
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

  const damagedJwk = JSON.stringify(jwkOf(p256.privateKey)).slice(0, -1);
  const rsaPss = generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).privateKey;
  const dsa = generateKeyPairSync("dsa", { modulusLength: 2048, divisorLength: 256 }).privateKey;
  const exponent3 = generateKeyPairSync("rsa", { modulusLength: 2048, publicExponent: 3 }).privateKey;
  const publicPem = (type: "spki" | "pkcs1"): string => rsa2048.publicKey.export({ type, format: "pem" }).toString();
  const pem = text(p256.privateKey, "pkcs8");
  // Of a key of its own, under the passphrase "a".
  const OBSOLETE_CIPHER = `-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGwMBsGCSqGSIb3DQEFAzAOBAgT22Q1aWtKYQICCAAEgZCrg4lalO7xXScT94CJ
IBcSH3KP0RJPMLGQwJO8tuib7+4uWsFsRlhhdBJ+gN2r1ATMadB+JO91lqYrA/xg
0pgqlYL8bKox958/Kl2gAloZSejKnrDtk+tPy1kMZvXxJtlbzfQeyY6wcItcvE3W
41RdZfw5F2vu8cUX9OhviFX6zsw4Zws0BWNEsyZ1B0CfOBc=
-----END ENCRYPTED PRIVATE KEY-----`;
  it.each<[string, LoadSigningKeyOptions, string, RegExp]>([
    ["I7: a public key", { pem: publicPem("spki") }, "ERR_KEY_PUBLIC", /signed with the private key/],
    ["I7: a public key in PKCS#1", { pem: publicPem("pkcs1") }, "ERR_KEY_PUBLIC", /signed with the private key/],
    ["I7: a certificate", { pem: createSelfSigned().cert }, "ERR_KEY_PUBLIC", /signed with the private key/],
    ["I7: a public JWK", { jwk: jwkOf(p256.publicKey) }, "ERR_KEY_PUBLIC", /signed with the private key/],
    ["I7: an empty text", { pem: "" }, "ERR_KEY_MISSING", /put the private key there/],
    ["I7: a text of blanks", { pem: " \r\n\t" }, "ERR_KEY_MISSING", /put the private key there/],
    ["half a JWK", { pem: damagedJwk }, "ERR_KEY_INVALID", /restore the whole of it/],
    ["half a PEM text", { pem: pem.slice(0, pem.length / 2) }, "ERR_KEY_INVALID", /BEGIN and END included/],
    ["a damaged key", { pem: pem.replace(/\n.{20}/, "\n") }, "ERR_KEY_INVALID", /restore it/],
    ["the name of a file as PEM", { pem: "/etc/key.pem" }, "ERR_KEY_INVALID", /BEGIN and END included/],
    ["a huge text", { pem: " ".repeat(2 ** 20) + pem }, "ERR_KEY_INVALID", /too large/],
    ["an obsolete cipher", { pem: OBSOLETE_CIPHER, passphrase: "a" }, "ERR_KEY_INVALID", /openssl pkcs8 -topk8/],
    ["a shared secret", { jwk: { kty: "oct", k: "c2VjcmV0" } }, "ERR_KEY_ALGORITHM", /use EC/],
    ["C4, I7: RSA of 1024 bits", { pem: text(rsa(1024).privateKey, "pkcs8") }, "ERR_KEY_WEAK", /make another one/],
    ["C4, I7: RSA of 2047 bits", { pem: text(rsa(2047).privateKey, "pkcs1") }, "ERR_KEY_WEAK", /make another one/],
    ["RSA with the exponent 3", { pem: text(exponent3, "pkcs8") }, "ERR_KEY_WEAK", /make another key/],
    ["I7: an algorithm of another type", { pem, algorithm: "RS256" }, "ERR_KEY_ALGORITHM", /fits ES256/],
    ["I7: an algorithm of another curve", { pem, algorithm: "ES384" }, "ERR_KEY_ALGORITHM", /fits ES256/],
    ["secp256k1", { pem: text(ec("secp256k1").privateKey, "pkcs8") }, "ERR_KEY_ALGORITHM", /use EC P-256/],
    ["secp256k1 in SEC1", { pem: text(ec("secp256k1").privateKey, "sec1") }, "ERR_KEY_ALGORITHM", /use EC P-256/],
    ["a curve without a JWK", { pem: text(ec("brainpoolP256r1").privateKey, "pkcs8") }, "ERR_KEY_ALGORITHM", /use EC/],
    ["a key restricted to PSS", { pem: text(rsaPss, "pkcs8") }, "ERR_KEY_ALGORITHM", /rsa-pss is not .* use EC/],
    ["DSA", { pem: text(dsa, "pkcs8") }, "ERR_KEY_ALGORITHM", /dsa is not supported: use EC/],
    ["Ed448", { pem: text(generateKeyPairSync("ed448").privateKey, "pkcs8") }, "ERR_KEY_ALGORITHM", /use EC/],
    ["X25519", { pem: text(generateKeyPairSync("x25519").privateKey, "pkcs8") }, "ERR_KEY_ALGORITHM", /use EC/],
  ])("refuses %s, says what to do and quotes nothing", async (_name, options, code, message) => {
    const secrets = [
      jwkOf(p256.privateKey).d ?? "",
      ...(options.pem ?? "").split("\n").filter((line) => /^\w{32}/.test(line)),
    ];
    const error = await failureOf(options, ...secrets);
    expect(error).toBeInstanceOf(CredentialError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it("I7: refuses a file that others can read, with the command that helps", async () => {
    const path = join(await temporaryDirectory(), "key.pem");
    await writeFile(path, pem);
    await chmod(path, 0o644);
    expect(await failureOf({ path })).toMatchObject({
      code: "ERR_KEY_PERMISSIONS",
      message: expect.stringContaining(`Run: chmod 600 ${path}`),
    });
    execFileSync("chmod", ["600", path]);
    expect(await loadSigningKey({ path })).toHaveProperty("algorithm", "ES256");
  });

  it("I7: refuses what is no key file, naming it", async () => {
    const directory = await temporaryDirectory();
    const inside = (name: string): string => join(directory, name);
    await writeFile(inside("empty.pem"), " \n", { mode: 0o600 });
    await writeFile(inside("huge.pem"), Buffer.alloc(2 ** 20 + 1, "a"), { mode: 0o600 });
    await mkdir(inside("directory"), { mode: 0o700 });
    execFileSync("mkfifo", ["-m", "600", inside("pipe")]);
    await symlink("loop", inside("loop"));
    for (const [name, code, help] of [
      ["none.pem", "ERR_KEY_MISSING", "There is no file"],
      ["empty.pem", "ERR_KEY_MISSING", "put the private key there"],
      ["huge.pem", "ERR_KEY_INVALID", "too large"],
      ["directory", "ERR_KEY_INVALID", "name the file itself"],
      ["pipe", "ERR_KEY_INVALID", "name the file itself"],
      ["loop", "ERR_CREDENTIAL_STORE", "ELOOP"],
    ] as const) {
      const error = await failureOf({ path: inside(name) });
      expect(error, name).toMatchObject({ name: "CredentialError", code });
      expect(String(error)).toContain(inside(name));
      expect(String(error)).toContain(help);
    }
  });

  it("L1: does not show a key that was given as a path", async () => {
    const secret = jwkOf(p256.privateKey).d ?? "";
    const line = text(rsa2048.privateKey, "pkcs8").replaceAll(/-----[^-]+-----|\n/g, "");
    for (const path of [pem, pem.replaceAll("\n", "\\n"), JSON.stringify(jwkOf(p256.privateKey)), line]) {
      const error = await failureOf(
        { path },
        secret,
        path.slice(0, 40),
        ...pem.split("\n").filter((part) => part.length > 20),
      );
      expect(error).toMatchObject({ code: "ERR_KEY_INVALID", message: expect.stringContaining("belongs into pem") });
      const env = { LATCHKEY_PRIVATE_KEY_PATH: path };
      expect(await failureOf({ env }, secret, path.slice(0, 40))).toMatchObject({ code: "ERR_KEY_INVALID" });
    }
  });

  it("loads the key of the environment, whichever way its line breaks are written", async () => {
    const kid = await jwkThumbprint(jwkOf(p256.publicKey));
    const path = join(await temporaryDirectory(), "key.pem");
    await writeFile(path, encrypted(p256.privateKey, "pkcs8"), { mode: 0o600 });
    const escaped = (lines: string): string => lines.replaceAll("\n", "\\n");
    for (const env of [
      { LATCHKEY_PRIVATE_KEY: pem },
      { LATCHKEY_PRIVATE_KEY: escaped(pem) },
      { LATCHKEY_PRIVATE_KEY: escaped(pem.replaceAll("\n", "\\r\n")) },
      { LATCHKEY_PRIVATE_KEY: `"${escaped(pem)}"` },
      { LATCHKEY_PRIVATE_KEY: JSON.stringify(jwkOf(p256.privateKey)) },
      { LATCHKEY_PRIVATE_KEY: escaped(JSON.stringify(jwkOf(p256.privateKey), undefined, 2)) },
      {
        LATCHKEY_PRIVATE_KEY: escaped(encrypted(p256.privateKey, "sec1")),
        LATCHKEY_PRIVATE_KEY_PASSPHRASE: PASSPHRASE,
      },
      { LATCHKEY_PRIVATE_KEY_PATH: path, LATCHKEY_PRIVATE_KEY_PASSPHRASE: PASSPHRASE, LATCHKEY_PRIVATE_KEY: "" },
    ]) {
      expect(await loadSigningKey({ env })).toMatchObject({ kid, algorithm: "ES256" });
    }
    expect(await loadSigningKey({ env: { LATCHKEY_PRIVATE_KEY: pem }, kid: "mine" })).toHaveProperty("kid", "mine");
  });

  it("L4: keeps neither text, private number nor passphrase on the heap", async () => {
    const directory = await temporaryDirectory();
    const put = (name: string, content: string): Promise<void> =>
      writeFile(join(directory, name), content, { mode: 0o600 });
    const passphrase = "correct horse battery staple";
    const traces = new Map<string, readonly string[]>([["passphrase", [passphrase]]]);
    for (const name of ["path", "pem", "locked", "jwk", "env", "watched", "misfit", "control"]) {
      const { privateKey } = ec("P-256");
      const clear = text(privateKey, "pkcs8");
      const cipher = { cipher: "aes-256-cbc", passphrase };
      const locked = privateKey.export({ type: "pkcs8", format: "pem", ...cipher }).toString();
      const lines = [clear, locked].flatMap((lines) => lines.split("\n").filter((line) => !line.startsWith("-")));
      traces.set(name, [jwkOf(privateKey).d ?? "", ...lines.filter((line) => line.length > 20)]);
      await put(name, name === "locked" ? locked : name === "jwk" ? JSON.stringify(jwkOf(privateKey)) : clear);
    }
    await put("passphrase", passphrase);
    expect(await startTypescript("loaded-keys-process.ts", directory).nextLine()).toBe("8");
    const heap = await readFile(join(directory, "heap"), "utf8");
    const found = [...traces].filter(([, parts]) => parts.some((part) => heap.includes(part)));
    expect(found.map(([name]) => name)).toEqual(["control"]);
  });

  it("takes the passphrase of the options before that of the environment", async () => {
    const env = {
      LATCHKEY_PRIVATE_KEY: encrypted(p256.privateKey, "pkcs8"),
      LATCHKEY_PRIVATE_KEY_PASSPHRASE: "open barley",
    };
    expect(await loadSigningKey({ env, passphrase: PASSPHRASE })).toHaveProperty("algorithm", "ES256");
  });

  it("names the variable that is to blame, and shows no value", async () => {
    const locked = encrypted(p256.privateKey, "pkcs8");
    const both = await failureOf(
      { env: { LATCHKEY_PRIVATE_KEY: pem, LATCHKEY_PRIVATE_KEY_PATH: "/key.pem" } },
      "/key.pem",
    );
    expect(both).toBeInstanceOf(ConfigError);
    for (const [env, code, message] of [
      [{}, "ERR_KEY_MISSING", /^Neither LATCHKEY_PRIVATE_KEY nor LATCHKEY_PRIVATE_KEY_PATH is set/],
      [{ LATCHKEY_PRIVATE_KEY: "open sesame" }, "ERR_KEY_INVALID", /^LATCHKEY_PRIVATE_KEY: /],
      [{ LATCHKEY_PRIVATE_KEY_PATH: "/none.pem" }, "ERR_KEY_MISSING", /^LATCHKEY_PRIVATE_KEY_PATH: .*none\.pem/],
      [{ LATCHKEY_PRIVATE_KEY: locked }, "ERR_KEY_PASSPHRASE", /LATCHKEY_PRIVATE_KEY_PASSPHRASE is not set$/],
      [
        { LATCHKEY_PRIVATE_KEY: locked, LATCHKEY_PRIVATE_KEY_PASSPHRASE: "" },
        "ERR_KEY_PASSPHRASE",
        /LATCHKEY_PRIVATE_KEY_PASSPHRASE is empty$/,
      ],
      [
        { LATCHKEY_PRIVATE_KEY: locked, LATCHKEY_PRIVATE_KEY_PASSPHRASE: "open barley" },
        "ERR_KEY_PASSPHRASE",
        /The passphrase is wrong.*; see LATCHKEY_PRIVATE_KEY_PASSPHRASE$/,
      ],
    ] as const) {
      const error = await failureOf({ env }, "open barley", "open sesame");
      expect(error).toMatchObject({ name: "CredentialError", code, message: expect.stringMatching(message) });
    }
  });

  it.each<[string, unknown, string]>([
    ["no source", {}, "exactly one"],
    ["two sources", { pem: "a", path: "b" }, "exactly one"],
    ["the environment beside another source", { env: {}, path: "b" }, "exactly one"],
    ["no options", undefined, "options"],
    ["an option that is misspelt", { pem: "a", passPhrase: "b" }, "options.passPhrase"],
    ["A6: a passphrase that is a number", { pem: "a", passphrase: 7 }, "passphrase"],
    ["A6: a path that is an object", { path: { toString: () => "/etc/key.pem" } }, "path"],
    ["A6: a PEM text that is a number", { pem: 1 }, "pem"],
    ["A6: an environment that is a text", { env: "LATCHKEY_PRIVATE_KEY=a" }, "env"],
  ])("throws TypeError for %s", async (_name, options, message) => {
    const loading = loadSigningKey(options as LoadSigningKeyOptions);
    await expect(loading).rejects.toThrow(TypeError);
    await expect(loading).rejects.toThrow(message);
  });
});
