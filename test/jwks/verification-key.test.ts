import { generateKeyPairSync } from "node:crypto";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { importVerificationKey } from "../../src/jwks/verification-key.js";

const UNUSABLE = { name: "TokenRejectedError", code: "ERR_KEY_UNUSABLE" };

function makeRsa(modulusLength: number, publicExponent = 65_537): JWK {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength, publicExponent });
  return { ...(publicKey.export({ format: "jwk" }) as JWK), kid: "rsa" };
}

function encode(value: bigint): string {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex").toString("base64url");
}

function decode(text: string | undefined): bigint {
  return BigInt(`0x${Buffer.from(text ?? "", "base64url").toString("hex")}`);
}

describe("importVerificationKey()", () => {
  let ec: JWK;
  let ed: JWK;
  let rsa: JWK;

  beforeAll(async () => {
    ec = { ...(await exportJWK((await generateKeyPair("ES256")).publicKey)), kid: "ec" };
    ed = { ...(await exportJWK((await generateKeyPair("EdDSA")).publicKey)), kid: "ed" };
    rsa = makeRsa(2_048);
  });

  it("A4: serves the algorithms that the key's type, curve and alg allow, and no other", async () => {
    const named = await importVerificationKey({ ...rsa, alg: "RS256" });
    expect(named.algorithms).toEqual(["RS256"]);
    expect(named.key("RS256")).toMatchObject({ type: "public", extractable: false, usages: ["verify"] });
    for (const algorithm of ["PS256", "RS512", "ES256", "HS256", "none", "__proto__", ""]) {
      expect(named.key(algorithm)).toBeUndefined();
    }
    const open = await importVerificationKey(rsa);
    expect(await open.key("PS512")).toMatchObject({ algorithm: { name: "RSA-PSS", hash: { name: "SHA-512" } } });
    expect(open.key("PS512")).toBe(open.key("PS512"));
    expect(open.key("ES256")).toBeUndefined();
  });

  it.each(["ES384", "RS256", "EdDSA", "HS256", "none", "ES256 ", 7, null])(
    "A5: refuses a P-256 key whose alg is %o",
    async (alg) => {
      await expect(importVerificationKey({ ...ec, alg })).rejects.toMatchObject(UNUSABLE);
    },
  );

  it.each([
    { use: "enc" },
    { use: "sig " },
    { use: 7 },
    { use: null },
    { key_ops: [] },
    { key_ops: ["sign"] },
    { key_ops: ["encrypt"] },
    { key_ops: "verify" },
    { key_ops: { 0: "verify" } },
  ])("A16: refuses %o", async (members) => {
    await expect(importVerificationKey({ ...ec, ...members })).rejects.toMatchObject(UNUSABLE);
  });

  it("A16: takes a key for signatures, whatever else may be done with it", async () => {
    for (const members of [{ use: "sig" }, { key_ops: ["verify"] }, { key_ops: ["sign", "verify"], ext: true }]) {
      await expect(importVerificationKey({ ...ec, ...members })).resolves.toBeDefined();
    }
  });

  it.each(["", "a b", "ключ", "k\u0000", "k\n", "x".repeat(257), 7, null, undefined, ["k"]])(
    "A9: refuses the kid %o",
    async (kid) => {
      await expect(importVerificationKey({ ...ec, kid })).rejects.toMatchObject(UNUSABLE);
    },
  );

  it("A15: refuses a key with any private part", async () => {
    for (const member of ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"]) {
      await expect(importVerificationKey({ ...rsa, [member]: "AQAB" })).rejects.toMatchObject(UNUSABLE);
    }
  });

  it("C4: refuses RSA keys that are too short", async () => {
    await expect(importVerificationKey(makeRsa(1_024))).rejects.toMatchObject(UNUSABLE);
    await expect(importVerificationKey(makeRsa(2_040))).rejects.toMatchObject(UNUSABLE);
    const padded = Buffer.concat([Buffer.alloc(128), Buffer.from(makeRsa(1_024).n ?? "", "base64url")]);
    await expect(importVerificationKey({ ...rsa, n: padded.toString("base64url") })).rejects.toMatchObject(UNUSABLE);
  });

  it("C8: refuses RSA keys that are too long", async () => {
    const bits = (length: number): string => encode((1n << BigInt(length - 1)) + 1n);
    await expect(importVerificationKey({ ...rsa, n: bits(8_200) })).rejects.toMatchObject(UNUSABLE);
    await expect(importVerificationKey({ ...rsa, n: bits(16_384) })).rejects.toMatchObject(UNUSABLE);
    await expect(importVerificationKey({ ...rsa, n: bits(8_192) })).resolves.toBeDefined();
  });

  it.each([0n, 1n, 2n, 3n, 17n, 65_536n, 65_538n, 2n ** 32n + 1n, 2n ** 64n + 1n])(
    "C5: refuses the exponent %s",
    async (exponent) => {
      await expect(importVerificationKey({ ...rsa, e: encode(exponent) })).rejects.toMatchObject(UNUSABLE);
    },
  );

  it("C5: refuses an even or unreadable modulus", async () => {
    await expect(importVerificationKey({ ...rsa, n: encode(decode(rsa.n) - 1n) })).rejects.toMatchObject(UNUSABLE);
    for (const n of [`${rsa.n}=`, ` ${rsa.n}`, "", undefined, 7, ["AQAB"]]) {
      await expect(importVerificationKey({ ...rsa, n })).rejects.toMatchObject(UNUSABLE);
    }
  });

  it("C6: refuses a modulus of the form that CVE-2017-15361 produced", async () => {
    // A product of primes k * M + (65537^a mod M), M the product of the first primes; primality plays no part here.
    const primes = [
      2n,
      3n,
      5n,
      7n,
      11n,
      13n,
      17n,
      19n,
      23n,
      29n,
      31n,
      37n,
      41n,
      43n,
      47n,
      53n,
      59n,
      61n,
      67n,
      71n,
      73n,
    ].concat([79n, 83n, 89n, 97n, 101n, 103n, 107n, 109n, 113n, 127n, 131n, 137n, 139n, 149n, 151n, 157n]);
    const product = primes.reduce((left, right) => left * right);
    const factor = (a: bigint): bigint => {
      let residue = 1n;
      for (let step = 0n; step < a; step++) residue = (residue * 65_537n) % product;
      return (1n << 1_030n) * product + residue;
    };
    const modulus = factor(1_234n) * factor(777n);
    await expect(importVerificationKey({ ...rsa, n: encode(modulus) })).rejects.toMatchObject(UNUSABLE);
    await expect(importVerificationKey({ ...rsa, n: encode(modulus + 2n) })).resolves.toBeDefined();
  });

  it("C7: refuses points off the curve and coordinates of another length", async () => {
    const { x = "", y = "" } = ec;
    const zero = Buffer.alloc(32).toString("base64url");
    for (const point of [
      { x: y, y: x },
      { x: zero, y: zero },
      { x: Buffer.from(x, "base64url").subarray(1).toString("base64url") },
      { x: Buffer.concat([Buffer.alloc(1), Buffer.from(x, "base64url")]).toString("base64url") },
      { y: undefined },
      { y: `${y}=` },
      { crv: "P-384" },
      { crv: "__proto__" },
    ]) {
      await expect(importVerificationKey({ ...ec, ...point })).rejects.toMatchObject(UNUSABLE);
    }
  });

  it("C7: refuses Ed25519 points of small order, in every encoding", async () => {
    const field = 2n ** 255n - 19n;
    const order8 = [
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ].map((hex) => BigInt(`0x${Buffer.from(hex, "hex").reverse().toString("hex")}`));
    const small = [0n, 1n, field - 1n, field, field + 1n, ...order8];
    for (const y of small.flatMap((value) => [value, value + 2n ** 255n])) {
      const x = Buffer.from(y.toString(16).padStart(64, "0"), "hex").reverse().toString("base64url");
      await expect(importVerificationKey({ ...ed, x })).rejects.toMatchObject(UNUSABLE);
    }
    await expect(importVerificationKey(ed)).resolves.toMatchObject({ algorithms: ["EdDSA"] });
  });

  it("shows nothing of the key it refuses", async () => {
    const error: unknown = await importVerificationKey({ ...ec, kid: "secret-kid", d: "secret-d" }).catch((e) => e);
    const { inspect } = await import("node:util");
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("secret");
  });
});
