import { decodeJwt, decodeProtectedHeader, generateKeyPair, importJWK, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { type SignedJwtOptions, signedJwt } from "../../src/client/signed-jwt.js";
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
});
