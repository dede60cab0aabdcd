import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { parseCompactJws } from "../../src/token/compact-jws.js";
import { type ProofRules, type ReadProof, readProof } from "../../src/verify/dpop-proof.js";
import { forge, takeApart } from "../support/forge.js";
import { CALL, createProver, type ProofChanges, type Prover } from "../support/prover.js";

const NOW_MS = 1_800_000_000_000;
const NOW = NOW_MS / 1_000;
const RULES: ProofRules = { algorithms: new Set(["ES256"]), maxAgeMs: 60_000, toleranceMs: 5_000 };
const INVALID = expect.objectContaining({ name: "TokenRejectedError", code: "ERR_PROOF_INVALID" });

describe("readProof()", () => {
  let alice: Prover;
  beforeAll(async () => {
    alice = await createProver(createManualClock(NOW_MS));
  });
  async function read(changes: ProofChanges = {}, call: Partial<typeof CALL> = {}): Promise<ReadProof> {
    return readProof({ ...(await alice.call(changes)), ...call }, RULES, NOW_MS);
  }

  it("gives what is left to be checked of a good proof", async () => {
    const proof = await alice.prove({ claims: { jti: "one", nonce: "two" } });
    expect(readProof({ ...CALL, proof, thumbprint: alice.thumbprint }, RULES, NOW_MS)).toEqual({
      jws: parseCompactJws(proof),
      jwk: alice.jwk,
      id: "one",
      nonce: "two",
      expiresAtMs: NOW_MS + 65_000,
    });
  });

  it("tells a missing proof from a bad one", () => {
    const check = { ...CALL, thumbprint: alice.thumbprint };
    expect(() => readProof({ ...check, proof: null }, RULES, NOW_MS)).toThrow(
      expect.objectContaining({ name: "TokenRejectedError", code: "ERR_PROOF_MISSING" }),
    );
    expect(() => readProof({ ...check, proof: "" }, RULES, NOW_MS)).toThrow(INVALID);
  });

  it("refuses several proofs, and everything that is no compact JWS", async () => {
    const one = await alice.prove();
    const other = await alice.prove();
    const check = { ...CALL, thumbprint: alice.thumbprint };
    for (const proof of [`${one}, ${other}`, `${one},${one}`, `${one} `, `${one}=`, `DPoP ${one}`, "a.b.c", "{}"]) {
      expect(() => readProof({ ...check, proof }, RULES, NOW_MS)).toThrow(INVALID);
    }
  });

  it.each(["dpop+jwt", "DPoP+JWT", "application/dpop+jwt"])("accepts the type %s", async (typ) => {
    await expect(read({ header: { typ } })).resolves.toBeDefined();
  });

  it.each([undefined, "", "JWT", "at+jwt", "dpop", "dpop+jwt ", "jwt+dpop", "client-authentication+jwt", "logout+jwt"])(
    "B6: refuses the type %j: nothing else that the key has signed is a proof",
    async (typ) => {
      await expect(read({ header: { typ } })).rejects.toEqual(INVALID);
    },
  );

  it.each(["none", "HS256", "ES384", "RS256", "es256", ""])("A1: refuses the algorithm %j", async (alg) => {
    const { header, payload, signature } = takeApart(await alice.prove());
    const proof = forge({ ...header, alg }, payload, signature);
    expect(() => readProof({ ...CALL, thumbprint: alice.thumbprint, proof }, RULES, NOW_MS)).toThrow(INVALID);
  });

  it.each([undefined, null, "key", 7, [], [{ kty: "EC" }]])("refuses a header with the jwk %j", async (jwk) => {
    await expect(read({ header: { jwk } })).rejects.toEqual(INVALID);
  });

  it("takes no part from what every object inherits", async () => {
    const { header, payload, signature } = takeApart(await alice.prove());
    const { jwk, ...bare } = header;
    const inherited = forge(`{"__proto__":{"jwk":${JSON.stringify(jwk)}},${JSON.stringify(bare).slice(1)}`, payload);
    const check = { ...CALL, thumbprint: alice.thumbprint };
    expect(() => readProof({ ...check, proof: inherited }, RULES, NOW_MS)).toThrow(INVALID);
    const claims = forge(header, `{"__proto__":${JSON.stringify(payload)}}`, signature);
    expect(() => readProof({ ...check, proof: claims }, RULES, NOW_MS)).toThrow(INVALID);
  });

  it.each([undefined, null, "GET", "post", "POST ", "", ["POST"], 1])("refuses the method %j", async (htm) => {
    await expect(read({ claims: { htm } })).rejects.toEqual(INVALID);
  });

  it("compares the URL without query and fragment, in normal form", async () => {
    await expect(read({}, { url: `${CALL.url}?message=%7B%7D` as never })).resolves.toBeDefined();
    await expect(read({ claims: { htu: `${CALL.url.replace("https", "HTTPS")}?x#y` } })).resolves.toBeDefined();
  });

  it.each([
    undefined,
    null,
    "",
    [CALL.url],
    CALL.url.replace("https", "http"),
    CALL.url.replace("jobs.example", "other.example"),
    CALL.url.replace("jobs.example", "user@jobs.example"),
    CALL.url.replace("EnqueueJob", "CancelJob"),
    `${CALL.url}/`,
    new URL(CALL.url).pathname,
  ])("refuses the URL %j", async (htu) => {
    await expect(read({ claims: { htu } })).rejects.toEqual(INVALID);
  });

  it("refuses every proof for a request without a URL that can be compared", async () => {
    for (const url of ["", "/path", "https://user@jobs.example/"]) {
      await expect(read({ claims: { htu: url } }, { url: url as never })).rejects.toEqual(INVALID);
    }
  });

  it.each([
    undefined,
    null,
    "",
    CALL.token,
    createHash("sha256").update(CALL.token).digest("hex"),
    createHash("sha256").update(`${CALL.token} `).digest("base64url"),
    `${createHash("sha256").update(CALL.token).digest("base64url")}=`,
  ])("E11: refuses a proof for another token, with the ath %j", async (ath) => {
    await expect(read({ claims: { ath } })).rejects.toEqual(INVALID);
  });

  it.each([undefined, null, "", 1, ["id"], "x".repeat(257)])("refuses the jti %j", async (jti) => {
    await expect(read({ claims: { jti } })).rejects.toEqual(INVALID);
  });

  it("accepts a jti of up to 256 characters, whatever they are", async () => {
    await expect(read({ claims: { jti: "x".repeat(256) } })).resolves.toBeDefined();
    await expect(read({ claims: { jti: "\u0000é" } })).resolves.toMatchObject({ id: "\u0000é" });
  });

  it("accepts an iat from the age and the tolerance ago to the tolerance ahead, exactly", async () => {
    for (const iat of [NOW + 5, NOW - 65 + 0.001]) await expect(read({ claims: { iat } })).resolves.toBeDefined();
    for (const iat of [NOW + 5.001, NOW - 65]) await expect(read({ claims: { iat } })).rejects.toEqual(INVALID);
  });

  it.each([undefined, null, `${NOW}`, true, [NOW], NOW_MS, 0, -NOW])("refuses the iat %j", async (iat) => {
    await expect(read({ claims: { iat } })).rejects.toEqual(INVALID);
  });

  it("refuses an iat that is not finite", async () => {
    const { header, payload, signature } = takeApart(await alice.prove());
    for (const iat of ["1e999", "-1e999"]) {
      const text = JSON.stringify({ ...payload, iat: 0 }).replace('"iat":0', `"iat":${iat}`);
      const proof = forge(header, text, signature);
      expect(() => readProof({ ...CALL, thumbprint: alice.thumbprint, proof }, RULES, NOW_MS)).toThrow(INVALID);
    }
  });

  it("shows nothing of a proof in its refusal", async () => {
    const error: unknown = await read({ claims: { htm: "SECRET", jti: "SECRET" } }).catch((reason: unknown) => reason);
    expect(`${(error as Error).stack}`).not.toContain("SECRET");
    expect(error).not.toHaveProperty("cause");
  });
});
