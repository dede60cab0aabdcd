import { generateKeyPairSync } from "node:crypto";
import { exportJWK, type JWK } from "jose";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/lib/clock.js";
import { createDpopKeys } from "../../src/verify/dpop-keys.js";
import { jwkThumbprint } from "../../src/verify/jwk-thumbprint.js";
import { createProver, type Prover } from "../support/prover.js";

const INVALID = { name: "TokenRejectedError", code: "ERR_PROOF_INVALID" };
type Members = Readonly<Record<string, unknown>>;

/** Asks for a key under its own thumbprint, as if a token were bound to it. */
async function ask(jwk: Members, algorithm: string, keys = createDpopKeys(10)): Promise<CryptoKey> {
  return keys.requireBound(jwk, jwkThumbprint(jwk) ?? "", algorithm)();
}

describe("createDpopKeys()", () => {
  let alice: Prover;
  let mallory: Prover;
  beforeAll(async () => {
    alice = await createProver(systemClock);
    mallory = await createProver(systemClock);
  });

  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("gives the key of a proof for verifying, with or without what browsers and libraries write beside it", async () => {
    for (const extra of [{}, { kid: "a b", alg: "ES256", use: "sig" }, { key_ops: ["verify"], ext: true }]) {
      const key = await ask({ ...alice.jwk, ...extra }, "ES256");
      expect(key).toMatchObject({ type: "public", usages: ["verify"], extractable: false });
    }
  });

  it("A7: refuses a key that the token is not bound to, without importing it", async () => {
    const imports = vi.spyOn(crypto.subtle, "importKey");
    const keys = createDpopKeys(10);
    const refused = (jwk: Members, thumbprint: string): void => {
      expect(() => keys.requireBound({ ...jwk }, thumbprint, "ES256")).toThrow(expect.objectContaining(INVALID));
    };
    refused(mallory.jwk, alice.thumbprint);
    expect(imports).not.toHaveBeenCalled();
    await ask({ ...alice.jwk }, "ES256", keys);
    refused(mallory.jwk, alice.thumbprint);
    refused(alice.jwk, mallory.thumbprint);
    expect(imports).toHaveBeenCalledOnce();
  });

  it("A7: refuses a key that lacks a member, whatever the token is bound to", async () => {
    for (const thumbprint of [alice.thumbprint, "", "undefined"]) {
      const { y: _, ...half } = alice.jwk;
      const asked = (): unknown => createDpopKeys(10).requireBound(half, thumbprint, "ES256");
      expect(asked).toThrow(expect.objectContaining(INVALID));
    }
  });

  it.each(["d", "k", "p", "priv"])("A15: refuses a key with the member %s, known without it or not", async (member) => {
    const keys = createDpopKeys(10);
    const jwk = { ...alice.jwk, [member]: "AA" };
    await expect(ask(jwk, "ES256", keys)).rejects.toMatchObject(INVALID);
    await ask({ ...alice.jwk }, "ES256", keys);
    await expect(ask(jwk, "ES256", keys)).rejects.toMatchObject(INVALID);
    await expect(ask({ ...alice.jwk }, "ES256", keys)).resolves.toBeDefined();
  });

  it("A15: refuses a private key with all its parts", async () => {
    await expect(ask({ ...(await exportJWK(alice.privateKey)) }, "ES256")).rejects.toMatchObject(INVALID);
  });

  it.each([{ use: "enc" }, { key_ops: ["sign"] }, { alg: "ES384" }, { alg: null }])(
    "refuses a key that says %j of itself",
    async (extra) => {
      await expect(ask({ ...alice.jwk, ...extra }, "ES256")).rejects.toMatchObject(INVALID);
    },
  );

  it.each(["ES384", "EdDSA", "PS256", "HS256", "none", ""])("A5: refuses a P-256 key for %j", async (algorithm) => {
    await expect(ask({ ...alice.jwk }, algorithm)).rejects.toMatchObject(INVALID);
  });

  it("A2: refuses a symmetric key", async () => {
    await expect(ask({ kty: "oct", k: "AA" }, "ES256")).rejects.toMatchObject(INVALID);
    await expect(ask({ ...alice.jwk, kty: "oct" }, "ES256")).rejects.toMatchObject(INVALID);
  });

  it("C4, C5: refuses an RSA key that is short or makes forging easy", async () => {
    const short = generateKeyPairSync("rsa", { modulusLength: 1_024 }).publicKey.export({ format: "jwk" });
    const sound = generateKeyPairSync("rsa", { modulusLength: 2_048 }).publicKey.export({ format: "jwk" });
    await expect(ask({ ...short }, "PS256")).rejects.toMatchObject(INVALID);
    for (const e of ["AQ", "Aw", "AQAA"]) await expect(ask({ ...sound, e }, "PS256")).rejects.toMatchObject(INVALID);
    await expect(ask({ ...sound }, "PS256")).resolves.toBeDefined();
    await expect(ask({ ...sound }, "RS256")).resolves.toBeDefined();
  });

  it("C7: refuses a point off its curve, in another spelling, or of small order", async () => {
    const { x = "", y = "" } = alice.jwk;
    for (const jwk of [
      { ...alice.jwk, x: y, y: x },
      { ...alice.jwk, y: `${y}=` },
      { ...alice.jwk, y: y.slice(4) },
      { kty: "OKP", crv: "Ed25519", x: "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
    ]) {
      const algorithm = jwk.kty === "OKP" ? "EdDSA" : "ES256";
      const keys = createDpopKeys(10);
      await expect(ask(jwk, algorithm, keys)).rejects.toMatchObject(INVALID);
      await expect(ask(jwk, algorithm, keys)).rejects.toMatchObject(INVALID);
    }
  });

  it("imports the key of a caller once, also for calls at the same time", async () => {
    const keys = createDpopKeys(10);
    const both = await Promise.all([ask({ ...alice.jwk }, "ES256", keys), ask({ ...alice.jwk }, "ES256", keys)]);
    expect(both[1]).toBe(both[0]);
    expect(await ask({ ...alice.jwk }, "ES256", keys)).toBe(both[0]);
  });

  it("imports an RSA key once for each algorithm that it proves with, not for those it could", async () => {
    const jwk = generateKeyPairSync("rsa", { modulusLength: 2_048 }).publicKey.export({ format: "jwk" });
    const imports = vi.spyOn(crypto.subtle, "importKey");
    const keys = createDpopKeys(10);
    for (const algorithm of ["PS256", "RS256"]) {
      imports.mockClear();
      const key = await ask({ ...jwk }, algorithm, keys);
      expect(key.algorithm.name).toBe(algorithm === "PS256" ? "RSA-PSS" : "RSASSA-PKCS1-v1_5");
      expect(await ask({ ...jwk }, algorithm, keys)).toBe(key);
      expect(imports).toHaveBeenCalledOnce();
    }
  });

  it("A4: refuses an RSA key for another algorithm than it states, known for that one or not", async () => {
    const jwk = generateKeyPairSync("rsa", { modulusLength: 2_048 }).publicKey.export({ format: "jwk" });
    const keys = createDpopKeys(10);
    const stated = { ...jwk, alg: "PS256" };
    await expect(ask(stated, "RS256", keys)).rejects.toMatchObject(INVALID);
    await expect(ask(stated, "PS256", keys)).resolves.toBeDefined();
    await expect(ask(stated, "RS256", keys)).rejects.toMatchObject(INVALID);
  });

  it("forgets the key that was not used for longest, and takes one place for all variants of a key", async () => {
    const keys = createDpopKeys(2);
    const first = await ask({ ...alice.jwk }, "ES256", keys);
    for (let index = 0; index < 5; index++) await ask({ ...mallory.jwk, note: `${index}` }, "ES256", keys);
    expect(await ask({ ...alice.jwk }, "ES256", keys)).toBe(first);
    const others: JWK[] = [(await createProver(systemClock)).jwk, (await createProver(systemClock)).jwk];
    for (const jwk of others) await ask({ ...jwk }, "ES256", keys);
    expect(await ask({ ...alice.jwk }, "ES256", keys)).not.toBe(first);
  });
});
