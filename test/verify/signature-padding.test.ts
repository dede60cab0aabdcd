import { constants, generateKeyPairSync, type SignKeyObjectInput, sign } from "node:crypto";
import type { JWK } from "jose";
import { describe, expect, it } from "vitest";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { createVerifier } from "../../src/verify/verifier.js";
import { forge } from "../support/forge.js";
import { digestInfo, type Hash, type PssChanges, padPkcs1, padPss, signRaw } from "../support/raw-rsa.js";

const BYTES = 256;
const REFUSED = { name: "TokenRejectedError", code: "ERR_TOKEN_SIGNATURE" };

const clock = createManualClock();
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 8 * BYTES });
const jwk: JWK = { ...(publicKey.export({ format: "jwk" }) as JWK), kid: "rsa" };
const modulus = BigInt(`0x${Buffer.from(jwk.n ?? "", "base64url").toString("hex")}`);
const verifier = createVerifier({
  issuers: [
    {
      issuer: "https://issuer.test",
      audience: "https://service.test",
      algorithms: ["RS256", "RS384", "PS256", "PS384"],
      keys: { keys: [jwk] },
    },
  ],
  clock,
});

/** Makes a token with the signature that `make` gives for what is signed. */
function tokenOf(alg: string, make: (input: string) => Uint8Array): string {
  const exp = Math.floor(clock.nowMs() / 1_000) + 60;
  const header = { alg, kid: "rsa", typ: "at+jwt" };
  const payload = {
    iss: "https://issuer.test",
    aud: "https://service.test",
    sub: "alice",
    exp,
    jti: crypto.randomUUID(),
  };
  const input = forge(header, payload).replace(/\.$/, "");
  return forge(header, payload, make(input));
}

const signAs =
  (hash: Hash, options: Partial<SignKeyObjectInput> = {}) =>
  (input: string) =>
    sign(hash, Buffer.from(input), { key: privateKey, ...options });

describe("PKCS #1 v1.5 padding", () => {
  const padded = (pad: (content: Buffer, input: string) => Buffer) => (input: string) =>
    signRaw(privateKey, pad(digestInfo(input), input));

  it("C3: is good as it should be", async () => {
    const byHand = tokenOf(
      "RS256",
      padded((content) => padPkcs1(content, BYTES)),
    );
    await expect(verifier.verify(byHand)).resolves.toBeDefined();
    await expect(verifier.verify(tokenOf("RS256", signAs("sha256")))).resolves.toBeDefined();
    await expect(verifier.verify(tokenOf("RS384", signAs("sha384")))).resolves.toBeDefined();
  });

  const hidden = Buffer.alloc(100, 0xaa);
  /** Splices bytes into the ASN.1, whose lengths are then adapted. */
  const grown = (content: Buffer, at: number, extra: string, lengthsAt: readonly number[]): Buffer => {
    const bytes = Buffer.from(extra, "hex");
    const changed = Buffer.concat([content.subarray(0, at), bytes, content.subarray(at)]);
    for (const index of lengthsAt) changed[index] = (changed[index] ?? 0) + bytes.length;
    return changed;
  };

  it.each<[string, (content: Buffer, input: string) => Buffer]>([
    // CVE-2006-4339 and its like: with a small exponent, whatever is not looked at can be chosen to make a cube.
    ["content followed by anything", (content) => padPkcs1(content, BYTES, { rest: hidden })],
    ["content followed by zeros", (content) => padPkcs1(content, BYTES, { rest: Buffer.alloc(16) })],
    [
      "eight bytes of filling and the rest behind",
      (content) => padPkcs1(content, BYTES, { rest: Buffer.alloc(BYTES - 11 - content.length, 0xff) }),
    ],
    ["a first byte that is not zero", (content) => padPkcs1(content, BYTES, { start: 1 })],
    ["block type 0", (content) => padPkcs1(content, BYTES, { type: 0 })],
    ["block type 2", (content) => padPkcs1(content, BYTES, { type: 2 })],
    ["filling with zeros", (content) => padPkcs1(content, BYTES, { fill: 0 })],
    ["filling with other bytes", (content) => padPkcs1(content, BYTES, { fill: 0xfe })],
    ["no zero behind the filling", (content) => padPkcs1(content, BYTES, { end: 0xff })],
    ["the digest alone", (content) => padPkcs1(content.subarray(-32), BYTES)],
    ["an empty content", () => padPkcs1(Buffer.alloc(0), BYTES)],
    ["another content", () => padPkcs1(digestInfo("another text"), BYTES)],
    ["a digest that is cut", (content) => padPkcs1(content.subarray(0, -1), BYTES)],
    ["SHA-1", (_, input) => padPkcs1(digestInfo(input, "sha1"), BYTES)],
    ["SHA-384", (_, input) => padPkcs1(digestInfo(input, "sha384"), BYTES)],
    ["SHA-512", (_, input) => padPkcs1(digestInfo(input, "sha512"), BYTES)],
    [
      "the name of another hash",
      (content, input) =>
        padPkcs1(Buffer.concat([digestInfo(input, "sha512").subarray(0, 19), content.subarray(-32)]), BYTES),
    ],
    [
      "no parameters",
      (content) =>
        padPkcs1(Buffer.concat([Buffer.from("302f300b0609608648016503040201", "hex"), content.subarray(17)]), BYTES),
    ],
    // CVE-2014-1568 (BERserk): what stands in the parameters or in longer lengths is not looked at.
    ["parameters with something in them", (content) => padPkcs1(grown(content, 17, "aabbccdd", [1, 3, 16]), BYTES)],
    ["something beside the parameters", (content) => padPkcs1(grown(content, 17, "0500", [1, 3]), BYTES)],
    [
      "something behind the digest, in its frame",
      (content) => padPkcs1(grown(content, content.length, "0500", [1]), BYTES),
    ],
    [
      "a length in its long form",
      (content) => padPkcs1(Buffer.concat([Buffer.from("3081", "hex"), content.subarray(1)]), BYTES),
    ],
    [
      "an indefinite length",
      (content) => padPkcs1(Buffer.concat([Buffer.from("3080", "hex"), content.subarray(2), Buffer.alloc(2)]), BYTES),
    ],
    ["no padding at all", (content) => Buffer.concat([Buffer.alloc(BYTES - content.length), content])],
    ["PSS", (_, input) => padPss(input, BYTES)],
  ])("C3: is refused with %s", async (_, pad) => {
    await expect(verifier.verify(tokenOf("RS256", padded(pad)))).rejects.toMatchObject(REFUSED);
  });

  it("C3: belongs to a signature of exactly the modulus' length, and below it", async () => {
    const good = signAs("sha256");
    const asBytes = (value: bigint, bytes = BYTES): Buffer =>
      Buffer.from(value.toString(16).padStart(2 * bytes, "0"), "hex");
    const asNumber = (signature: Buffer): bigint => BigInt(`0x${signature.toString("hex")}`);
    for (const change of [
      (signature) => Buffer.concat([Buffer.alloc(1), signature]),
      (signature) => Buffer.concat([signature, Buffer.alloc(1)]),
      (signature) => signature.subarray(1),
      (signature) => signature.subarray(0, -1),
      (signature) => signature.subarray(0, 1),
      (signature) => asBytes(asNumber(signature) + modulus, BYTES + 1),
      (signature) => asBytes(modulus - asNumber(signature)),
      (signature) => Buffer.from(signature).reverse(),
      () => Buffer.alloc(BYTES),
      () => asBytes(1n),
      () => asBytes(modulus - 1n),
      () => asBytes(modulus),
      () => asBytes(modulus + 1n),
      () => Buffer.alloc(BYTES, 0xff),
    ] satisfies ((signature: Buffer) => Buffer)[]) {
      const token = tokenOf("RS256", (input) => change(good(input)));
      await expect(verifier.verify(token)).rejects.toMatchObject(REFUSED);
    }
  });

  it("C3: is not what PS256 asks for, and its hash not what RS384 does", async () => {
    await expect(verifier.verify(tokenOf("PS256", signAs("sha256")))).rejects.toMatchObject(REFUSED);
    await expect(verifier.verify(tokenOf("RS384", signAs("sha256")))).rejects.toMatchObject(REFUSED);
    await expect(verifier.verify(tokenOf("RS256", signAs("sha384")))).rejects.toMatchObject(REFUSED);
  });
});

describe("PSS padding", () => {
  const padded = (changes?: PssChanges) => (input: string) => signRaw(privateKey, padPss(input, BYTES, changes));

  it("C3: is good as it should be", async () => {
    await expect(verifier.verify(tokenOf("PS256", padded()))).resolves.toBeDefined();
    await expect(verifier.verify(tokenOf("PS384", padded({ hash: "sha384", saltBytes: 48 })))).resolves.toBeDefined();
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    await expect(
      verifier.verify(tokenOf("PS256", signAs("sha256", { padding, saltLength: 32 }))),
    ).resolves.toBeDefined();
  });

  it.each<[string, PssChanges]>([
    ["no salt", { saltBytes: 0 }],
    ["a salt as long as a digest of SHA-1", { saltBytes: 20 }],
    ["a salt one byte short", { saltBytes: 31 }],
    ["a salt one byte long", { saltBytes: 33 }],
    ["a salt as long as a digest of SHA-512", { saltBytes: 64 }],
    ["the longest salt there is room for", { saltBytes: BYTES - 32 - 2 }],
    ["SHA-1", { hash: "sha1" }],
    ["SHA-384", { hash: "sha384" }],
    ["SHA-512", { hash: "sha512" }],
    ["a mask by SHA-1", { maskHash: "sha1" }],
    ["a mask by SHA-512", { maskHash: "sha512" }],
    ["another last byte", { trailer: 0xcc }],
    ["a last byte of zero", { trailer: 0 }],
    ["another byte before the salt", { separator: 2 }],
    ["no byte before the salt", { separator: 0 }],
    ["filling that is not zero", { padding: 1 }],
    ["a flipped bit of the hash", { hashFlip: 0 }],
    ["another flipped bit of the hash", { hashFlip: 255 }],
  ])("C3: is refused with %s", async (_, changes) => {
    await expect(verifier.verify(tokenOf("PS256", padded(changes)))).rejects.toMatchObject(REFUSED);
  });

  it("C3: is refused with a leading bit set, where the modulus leaves room for it", async () => {
    const signed = (input: string): Buffer => {
      for (;;) {
        const encoded = padPss(input, BYTES, { leadingBits: 0x80 });
        if (BigInt(`0x${encoded.toString("hex")}`) < modulus) return signRaw(privateKey, encoded);
      }
    };
    await expect(verifier.verify(tokenOf("PS256", signed))).rejects.toMatchObject(REFUSED);
  });

  it("C3: is not what RS256 asks for, and its hash not what PS384 does", async () => {
    await expect(verifier.verify(tokenOf("RS256", padded()))).rejects.toMatchObject(REFUSED);
    await expect(verifier.verify(tokenOf("PS384", padded()))).rejects.toMatchObject(REFUSED);
    await expect(verifier.verify(tokenOf("PS256", padded({ hash: "sha384", saltBytes: 48 })))).rejects.toMatchObject(
      REFUSED,
    );
  });
});
