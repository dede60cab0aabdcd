import { createContextKey, createContextValues } from "@connectrpc/connect";
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, generateKeyPair, importJWK, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { dpopProofs } from "../../src/client/dpop-proofs.js";
import { type SignedJwtOptions, signedJwt } from "../../src/client/signed-jwt.js";
import { CredentialError } from "../../src/errors.js";
import { generateSigningKey } from "../../src/keys/signing-key.js";
import { createManualClock } from "../../src/testing/manual-clock.js";

const NOW_S = 1_900_000_000;
const request = {
  audience: "https://jobs.example",
  origin: "https://jobs.example",
  signal: new AbortController().signal,
};

const { key } = await generateSigningKey();
const options = { key, issuer: "jobs-cli", clock: createManualClock(NOW_S * 1_000 + 900) };
const refused = (changes: object) => () => signedJwt({ ...options, ...changes } as SignedJwtOptions);

describe("signedJwt()", () => {
  it("signs a token with the claims of an access token", async () => {
    const { value, expiresAtMs, issuedAtMs } = await signedJwt(options).getToken(request);
    expect(decodeProtectedHeader(value)).toEqual({ alg: "ES256", kid: key.kid, typ: "at+jwt" });
    const claims = decodeJwt(value);
    expect(claims).toEqual({
      iss: "jobs-cli",
      sub: key.kid,
      aud: "https://jobs.example",
      iat: NOW_S - 10,
      nbf: NOW_S - 10,
      exp: NOW_S - 10 + 3_600,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(issuedAtMs).toBe((NOW_S - 10) * 1_000);
    expect(expiresAtMs).toBe((NOW_S - 10 + 3_600) * 1_000);
  });

  it("takes the default for an option that is undefined", async () => {
    const absent = { lifetimeSeconds: undefined, tokenType: undefined } as unknown as Partial<SignedJwtOptions>;
    const { value, expiresAtMs } = await signedJwt({ ...options, ...absent }).getToken(request);
    expect(expiresAtMs).toBe((NOW_S - 10 + 3_600) * 1_000);
    expect(decodeProtectedHeader(value).typ).toBe("at+jwt");
  });

  it.each(["ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA"] as const)("signs with %s", async (algorithm) => {
    const generated = await generateSigningKey({ algorithm });
    const { value } = await signedJwt({ key: generated.key, issuer: "jobs-cli" }).getToken(request);
    const verified = await jwtVerify(value, await importJWK(generated.key.publicJwk, algorithm));
    expect(verified.protectedHeader).toMatchObject({ alg: algorithm, kid: generated.key.kid });
  });

  it("takes subject, audience, claims, lifetime and type", async () => {
    const source = signedJwt({
      ...options,
      subject: "alice",
      audience: "latchkey",
      claims: { org: "acme", roles: ["worker"] },
      lifetimeSeconds: 60,
      tokenType: "JWT",
    });
    const { value } = await source.getToken(request);
    expect(decodeProtectedHeader(value).typ).toBe("JWT");
    expect(decodeJwt(value)).toMatchObject({
      sub: "alice",
      aud: "latchkey",
      org: "acme",
      roles: ["worker"],
      iat: NOW_S - 10,
      exp: NOW_S + 50,
    });
  });

  it("K12: puts iat and nbf back by 10 s, so that a server whose clock is behind accepts the token", async () => {
    const { value } = await signedJwt(options).getToken(request);
    const publicKey = await importJWK(key.publicJwk, "ES256");
    const behind = new Date((NOW_S - 10) * 1_000);
    await expect(jwtVerify(value, publicKey, { currentDate: behind, maxTokenAge: "1h" })).resolves.toBeDefined();
  });

  it.each([
    [1, 0],
    [2, 1],
    [19, 9],
    [20, 10],
  ])("K12: puts them back by at most half of a lifetime of %d s", async (lifetimeSeconds, backdated) => {
    const { value, expiresAtMs } = await signedJwt({ ...options, lifetimeSeconds }).getToken(request);
    expect(decodeJwt(value)).toMatchObject({ iat: NOW_S - backdated, exp: NOW_S - backdated + lifetimeSeconds });
    expect(expiresAtMs).toBeGreaterThan(options.clock.nowMs());
  });

  it("gives each token an identifier of its own", async () => {
    const source = signedJwt(options);
    const first = await source.getToken(request);
    const second = await source.getToken({ ...request, rejected: first.value });
    expect(decodeJwt(second.value).jti).not.toBe(decodeJwt(first.value).jti);
  });

  it("K2: is bound to the audience of the call unless it has its own", () => {
    expect(signedJwt(options)).toMatchObject({ audienceBound: true });
    expect(signedJwt(options).cacheKey).toBeUndefined();
    const fixed = signedJwt({ ...options, audience: "latchkey" });
    expect(fixed.audienceBound).toBeUndefined();
    expect(fixed.cacheKey?.(request)).toBe(fixed.cacheKey?.({ ...request, audience: "other" }));
  });

  it("copies its claims", async () => {
    const claims = { roles: ["worker"] };
    const source = signedJwt({ ...options, claims });
    claims.roles.push("admin");
    const { value } = await source.getToken(request);
    expect(decodeJwt(value)["roles"]).toEqual(["worker"]);
  });

  it.each(["iss", "sub", "aud", "exp", "nbf", "iat", "jti"])("refuses the registered claim %s", (name) => {
    expect(refused({ claims: { [name]: 1 } })).toThrow(`claims must not have "${name}"`);
  });

  it("refuses claims that are not JSON", () => {
    expect(refused({ claims: { n: 1n } })).toThrow(TypeError);
    expect(refused({ claims: ["a"] })).toThrow("claims must be an object, got array");
    const ring: Record<string, unknown> = {};
    ring["self"] = ring;
    expect(refused({ claims: ring })).toThrow(TypeError);
  });

  it("D6: refuses a lifetime that is not a whole number of seconds from 1 to 86400", () => {
    for (const value of [0, -1, 1.5, 86_401, Number.NaN, Number.POSITIVE_INFINITY, "1h", "60", null]) {
      expect(refused({ lifetimeSeconds: value })).toThrow("lifetimeSeconds");
    }
    expect(refused({ lifetimeSeconds: 86_400 })).not.toThrow();
  });

  it("I6: refuses empty names", () => {
    for (const field of ["issuer", "subject", "audience", "tokenType"]) {
      expect(refused({ [field]: "" })).toThrow(`${field} must not be empty`);
      expect(refused({ [field]: 7 })).toThrow(`${field} must be a string`);
    }
  });

  it("A6: refuses at construction what cannot sign", async () => {
    const { publicKey } = await generateKeyPair("ES256");
    expect(refused({ key: undefined })).toThrow("key must be a signing key");
    expect(refused({ key: { ...key, kid: "" } })).toThrow("key.kid must not be empty");
    expect(refused({ key: { ...key, algorithm: "HS256" } })).toThrow("key.algorithm");
    expect(refused({ key: { ...key, algorithm: "none" } })).toThrow("key.algorithm");
    for (const privateKey of [publicKey, "secret", { toString: () => "key" }, Promise.resolve(key.privateKey)]) {
      expect(refused({ key: { ...key, privateKey } })).toThrow("key.privateKey must be a private CryptoKey");
    }
  });

  it("asks a key function for each token", async () => {
    const { key: next } = await generateSigningKey({ algorithm: "EdDSA" });
    let current = key;
    const source = signedJwt({ ...options, key: () => current });
    const before = await source.getToken(request);
    current = next;
    const after = await source.getToken(request);
    expect(decodeProtectedHeader(before.value)).toMatchObject({ alg: "ES256", kid: key.kid });
    expect(decodeProtectedHeader(after.value)).toMatchObject({ alg: "EdDSA", kid: next.kid });
    expect(decodeJwt(after.value).sub).toBe(next.kid);
    const currentDate = new Date(NOW_S * 1_000);
    await expect(
      jwtVerify(after.value, await importJWK(next.publicJwk, "EdDSA"), { currentDate }),
    ).resolves.toBeDefined();
  });

  it("makes issuer, subject and claims from the call and the key that signs", async () => {
    const source = signedJwt({
      ...options,
      key: () => key,
      issuer: async (_, signer) => `ACME.LOADER.${signer.publicJwk.kid}`,
      subject: ({ origin }) => `caller-of-${new URL(origin).hostname}`,
      claims: ({ origin }) => ({ host: new URL(origin).hostname }),
    });
    expect(decodeJwt((await source.getToken(request)).value)).toMatchObject({
      iss: `ACME.LOADER.${key.kid}`,
      sub: "caller-of-jobs.example",
      host: "jobs.example",
    });
  });

  it("K14: keeps tokens of two origins apart when a function makes them", async () => {
    const source = signedJwt({ ...options, audience: "latchkey", claims: ({ origin }) => ({ origin }) });
    const tokens = cachedTokens(source, { clock: options.clock });
    for (const origin of ["https://a.example", "https://b.example", "https://a.example"]) {
      const { value } = await tokens.getToken({ ...request, audience: "latchkey", origin });
      expect(decodeJwt(value)["origin"]).toBe(origin);
    }
  });

  it("K14: shows what a call carries only when a cacheKey tells such calls apart", async () => {
    const user = createContextKey("nobody");
    const as = (name: string) => ({ ...request, contextValues: createContextValues().set(user, name) });
    const subject: SignedJwtOptions["subject"] = ({ contextValues }) => contextValues?.get(user) ?? "none";
    await expect(signedJwt({ ...options, subject }).getToken(as("alice"))).rejects.toMatchObject({
      code: "ERR_TOKEN_SOURCE_INVALID",
    });
    const cacheKey: SignedJwtOptions["cacheKey"] = ({ contextValues }) => contextValues?.get(user) ?? "none";
    const tokens = cachedTokens(signedJwt({ ...options, subject, cacheKey }), { clock: options.clock });
    const given = await Promise.all(["alice", "bob", "alice"].map((name) => tokens.getToken(as(name))));
    expect(given.map(({ value }) => decodeJwt(value).sub)).toEqual(["alice", "bob", "alice"]);
    expect(given[2]).toBe(given[0]);
  });

  it("stays bound to the audience of the call when functions make parts of the token", () => {
    const source = signedJwt({ ...options, issuer: () => "x" });
    expect(source.audienceBound).toBe(true);
    expect(source.cacheKey?.(request)).not.toBe(source.cacheKey?.({ ...request, audience: "other" }));
  });

  it("puts further parameters into the header, copied", async () => {
    const headerParameters = { x5t: "dGh1bWI" };
    const source = signedJwt({ ...options, headerParameters });
    headerParameters.x5t = "b3RoZXI";
    expect(decodeProtectedHeader((await source.getToken(request)).value)).toEqual({
      alg: "ES256",
      kid: key.kid,
      typ: "at+jwt",
      x5t: "dGh1bWI",
    });
  });

  it.each(["alg", "b64", "crit", "enc", "jku", "jwk", "kid", "typ", "x5u", "zip"])(
    "refuses the header parameter %s",
    (name) => {
      expect(refused({ headerParameters: { [name]: "x" } })).toThrow(`headerParameters must not have "${name}"`);
    },
  );

  it.each([
    ["a key that cannot sign", { key: () => ({ ...key, algorithm: "none" }) }, "key.algorithm"],
    ["no key", { key: () => undefined }, "key must be a signing key"],
    ["an empty issuer", { issuer: () => "" }, "issuer must not be empty"],
    ["a subject that is no text", { subject: () => 7 }, "subject must be a string"],
    ["a registered claim", { claims: () => ({ aud: "other" }) }, 'claims must not have "aud"'],
    ["claims that are no object", { claims: () => ["a"] }, "claims must be an object"],
    ["claims that are not JSON", { claims: () => ({ n: 1n }) }, "The token cannot be signed"],
  ])("refuses %s from a function when it gives it", async (_, changes, message) => {
    const source = refused(changes)();
    const failure = source.getToken(request);
    await expect(failure).rejects.toMatchObject({ name: "TokenSourceError", code: "ERR_TOKEN_SOURCE_INVALID" });
    await expect(failure).rejects.toThrow(message);
  });

  it("passes on what a function throws", async () => {
    const broken = new CredentialError("ERR_KEY_MISSING", "no file");
    const source = refused({
      key: () => {
        throw broken;
      },
    })();
    await expect(source.getToken(request)).rejects.toBe(broken);
  });

  it("binds its tokens to the key of proofs, by the thumbprint", async () => {
    const { key: proofKey } = await generateSigningKey({ algorithm: "EdDSA" });
    const dpop = dpopProofs({ key: proofKey });
    const jkt = await calculateJwkThumbprint(proofKey.publicJwk);
    for (const claims of [{ org: "acme" }, () => ({ org: "acme" })]) {
      const { value } = await signedJwt({ ...options, claims, dpop }).getToken(request);
      expect(decodeJwt(value)).toMatchObject({ iss: "jobs-cli", org: "acme", cnf: { jkt } });
    }
  });

  it("K14: keeps tokens of two proof keys apart, and those of one together", async () => {
    const { key: other } = await generateSigningKey();
    const keyOf = (changes: Partial<SignedJwtOptions>, audience = request.audience) =>
      signedJwt({ ...options, ...changes }).cacheKey?.({ ...request, audience });
    for (const fixed of [{}, { audience: "latchkey" }, { subject: () => "alice" }]) {
      const first = keyOf({ ...fixed, dpop: dpopProofs({ key }) });
      expect(first).toBe(keyOf({ ...fixed, dpop: dpopProofs({ key }) }));
      expect(first).not.toBe(keyOf({ ...fixed, dpop: dpopProofs({ key: other }) }));
      expect(first).not.toBe(keyOf(fixed));
    }
    const dpop = dpopProofs({ key });
    expect(keyOf({ dpop })).not.toBe(keyOf({ dpop }, "https://other.example"));
    expect(keyOf({ dpop, audience: "a" })).toBe(keyOf({ dpop, audience: "a" }, "https://other.example"));
  });

  it("refuses claims that say otherwise what a token is bound to, and proofs that are none", async () => {
    const cnf = { "x5t#S256": "x" };
    const dpop = dpopProofs({ key });
    expect(refused({ claims: { cnf }, dpop })).toThrow('claims must not have "cnf"');
    await expect(refused({ claims: () => ({ cnf }), dpop })().getToken(request)).rejects.toThrow('"cnf"');
    expect(refused({ dpop: {} })).toThrow("dpop.thumbprint must be a function");
    expect(refused({ dpop: null })).toThrow("dpop.thumbprint must be a function");
    const { value } = await signedJwt({ ...options, claims: { cnf } }).getToken(request);
    expect(decodeJwt(value)["cnf"]).toEqual(cnf);
  });

  it("says how long its tokens live", () => {
    expect(signedJwt({ ...options, lifetimeSeconds: 60 }).lifetimeMs).toBe(60_000);
  });

  it("refuses a cacheKey that is no function, and options that it does not have", () => {
    expect(refused({ cacheKey: "alice" })).toThrow("cacheKey must be a function, got string");
    expect(refused({ lifetimeSecond: 60 })).toThrow("options.lifetimeSecond is not an option");
  });
});
