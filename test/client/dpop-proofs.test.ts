import { createHash } from "node:crypto";
import { calculateJwkThumbprint, compactVerify, decodeJwt, decodeProtectedHeader, EmbeddedJWK } from "jose";
import { describe, expect, it } from "vitest";
import { clientCredentials } from "../../src/client/client-credentials.js";
import { type DpopProofRequest, type DpopProofsOptions, dpopProofs } from "../../src/client/dpop-proofs.js";
import { jwtBearer } from "../../src/client/jwt-bearer.js";
import type { OAuthOptions } from "../../src/client/oauth-options.js";
import { privateKeyJwt } from "../../src/client/private-key-jwt.js";
import { signedJwt } from "../../src/client/signed-jwt.js";
import { staticToken } from "../../src/client/static-token.js";
import { tokenExchange } from "../../src/client/token-exchange.js";
import { CredentialError } from "../../src/errors.js";
import { generateSigningKey } from "../../src/keys/signing-key.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import type { TokenSource } from "../../src/token/token.js";
import { startAuthorizationServer, tokenAnswer } from "../support/scripted-authorization-server.js";

const NOW_S = 1_900_000_000;
const { key, privateJwk } = await generateSigningKey();
const clock = createManualClock(NOW_S * 1_000 + 900);
const proofs = dpopProofs({ key, clock });

interface ProofClaims {
  readonly jti: string;
  readonly htu: string;
  readonly iat: number;
  readonly ath?: string;
}

async function claimsOf(request: Partial<DpopProofRequest> = {}, made = proofs): Promise<ProofClaims> {
  const proof = await made.createProof({ method: "POST", url: "https://jobs.example/a/b", ...request });
  const { payload } = await compactVerify(proof, EmbeddedJWK);
  return JSON.parse(new TextDecoder().decode(payload)) as ProofClaims;
}

describe("dpopProofs()", () => {
  it("makes a proof of RFC 9449 section 4.2, with the public key and nothing more of it", async () => {
    const accessToken = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const proof = await proofs.createProof({ method: "GET", url: "https://jobs.example/a", accessToken, nonce: "n-1" });
    const { kty, crv, x, y } = privateJwk;
    expect(decodeProtectedHeader(proof)).toEqual({ alg: "ES256", typ: "dpop+jwt", jwk: { kty, crv, x, y } });
    const { payload } = await compactVerify(proof, EmbeddedJWK);
    expect(JSON.parse(new TextDecoder().decode(payload))).toEqual({
      jti: expect.stringMatching(/^[\w-]{22}$/),
      htm: "GET",
      htu: "https://jobs.example/a",
      iat: NOW_S - 5,
      ath: "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
      nonce: "n-1",
    });
  });

  it("leaves out what there is not", async () => {
    expect(Object.keys(await claimsOf())).toEqual(["jti", "htm", "htu", "iat"]);
  });

  it.each([
    ["https://jobs.example/a/b?c=d#e", "https://jobs.example/a/b"],
    ["https://jobs.example:443/a?", "https://jobs.example/a"],
    ["https://JOBS.example:8443/a%2Fb/../c", "https://jobs.example:8443/c"],
    ["https://user:secret@jobs.example", "https://jobs.example/"],
    ["http://[::1]:80/A", "http://[::1]/A"],
  ])("names %s as %s", async (url, htu) => {
    expect((await claimsOf({ url })).htu).toBe(htu);
  });

  it("has 128 bits of its own in each proof", async () => {
    const identifiers = await Promise.all(Array.from({ length: 50 }, async () => (await claimsOf()).jti));
    expect(new Set(identifiers).size).toBe(50);
    for (const jti of identifiers) expect(Buffer.from(jti, "base64url")).toHaveLength(16);
  });

  it("hashes the token of each request", async () => {
    for (const accessToken of ["a", "b", "b", "a"]) {
      const ath = createHash("sha256").update(accessToken).digest("base64url");
      expect((await claimsOf({ accessToken })).ath).toBe(ath);
    }
  });

  it("K12: takes the time that it is told, and goes back by 5 s for a server whose clock is behind", async () => {
    expect((await claimsOf({ nowMs: 60_500 })).iat).toBe(55);
  });

  it.each(["ES384", "ES512", "RS256", "PS256", "EdDSA"] as const)("signs with %s", async (algorithm) => {
    const { key: other } = await generateSigningKey({ algorithm });
    const made = dpopProofs({ key: other, clock });
    expect((await claimsOf({}, made)).iat).toBe(NOW_S - 5);
    expect(await made.thumbprint()).toBe(await calculateJwkThumbprint(other.publicJwk));
  });

  it("gives the thumbprint of the key, and its public part", async () => {
    expect(await proofs.thumbprint()).toBe(await calculateJwkThumbprint(privateJwk));
    expect(Object.keys(proofs.publicJwk).sort()).toEqual(["crv", "kty", "x", "y"]);
    expect(Object.isFrozen(proofs.publicJwk)).toBe(true);
  });

  it("L1: puts no private member into a proof, wherever the key comes from", async () => {
    const careless = { ...key, publicJwk: privateJwk };
    const made = dpopProofs({ key: careless });
    const proof = await made.createProof({ method: "POST", url: "https://jobs.example" });
    expect(JSON.stringify(decodeProtectedHeader(proof))).not.toContain(privateJwk.d);
    expect(JSON.stringify(made)).not.toContain(privateJwk.d);
  });

  it("fails as keys do that cannot sign", async () => {
    const { privateKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-384" }, false, ["sign"]);
    const made = dpopProofs({ key: { ...key, privateKey } });
    const failed = made.createProof({ method: "POST", url: "https://jobs.example" });
    await expect(failed).rejects.toBeInstanceOf(CredentialError);
    await expect(failed).rejects.toMatchObject({ code: "ERR_KEY_INVALID" });
  });

  it.each<[object, string]>([
    [{ key: undefined }, "key must be a signing key"],
    [{ key: { ...key, privateKey: "secret" } }, "key.privateKey must be a private CryptoKey"],
    [{ key: { ...key, publicJwk: undefined } }, "key.publicJwk must be the public key of key.privateKey"],
    [{ key: { ...key, publicJwk: { kty: "oct", k: "secret" } } }, "key.publicJwk must be the public key"],
    [{ key: { ...key, algorithm: "ES384" } }, "key.publicJwk must be the public key"],
    [{ key, useHttpGet: "yes" }, "useHttpGet must be a boolean"],
    [{ key, nonce: "a" }, "options.nonce is not an option"],
  ])("refuses %o", (options, message) => {
    expect(() => dpopProofs(options as DpopProofsOptions)).toThrow(message);
    expect(() => dpopProofs(options as DpopProofsOptions)).toThrow(TypeError);
  });
});

describe("tokens that an authorization server binds to the key of the proofs", () => {
  const dpop = dpopProofs({ key });
  const request = {
    audience: "https://jobs.example",
    origin: "https://jobs.example",
    signal: new AbortController().signal,
  };
  const sources: readonly (readonly [string, (options: OAuthOptions) => TokenSource])[] = [
    [
      "clientCredentials()",
      (options) => clientCredentials({ ...options, clientId: "report", clientAuth: privateKeyJwt({ key }) }),
    ],
    ["jwtBearer()", (options) => jwtBearer({ ...options, assertion: signedJwt({ key, issuer: "report" }) })],
    ["tokenExchange()", (options) => tokenExchange({ ...options, subjectToken: staticToken("subject") })],
  ];

  it.each(sources)("%s proves its request, and asks for its nonce only once", async (_, create) => {
    const issued = "urn:ietf:params:oauth:token-type:access_token";
    await using server = await startAuthorizationServer((hit) =>
      hit === 1
        ? { status: 400, headers: { "dpop-nonce": "n-1" }, body: { error: "use_dpop_nonce" } }
        : tokenAnswer({ token_type: "DPoP", issued_token_type: issued }),
    );
    const source = create({ authorizationServer: server.issuer, dpop });
    expect(await source.getToken(request)).toMatchObject({ value: "token-1" });
    expect(await source.getToken(request)).toMatchObject({ value: "token-1" });
    const seen = server.tokenRequests.map(({ headers }) => decodeJwt(String(headers["dpop"])));
    expect(seen).toMatchObject([
      { htm: "POST", htu: server.tokenEndpoint },
      { htm: "POST", htu: server.tokenEndpoint, nonce: "n-1" },
      { htm: "POST", htu: server.tokenEndpoint, nonce: "n-1" },
    ]);
    expect(new Set(seen.map(({ jti }) => jti)).size).toBe(3);
  });

  it.each(sources)("K14: %s keeps tokens of two keys apart", async (_, create) => {
    const authorizationServer = "https://issuer.example";
    const { key: second } = await generateSigningKey();
    const bound = [undefined, dpop, dpopProofs({ key: second })].map((proofsOf) =>
      create({ authorizationServer, ...(proofsOf !== undefined && { dpop: proofsOf }) }).cacheKey?.(request),
    );
    expect(new Set(bound).size).toBe(3);
    expect(create({ authorizationServer, dpop: dpopProofs({ key }) }).cacheKey?.(request)).toBe(bound[1]);
  });

  it.each(sources)("%s refuses what makes no proofs", (_, create) => {
    for (const wrong of [null, {}, "key", dpop.createProof]) {
      const options = { authorizationServer: "https://issuer.example", dpop: wrong } as unknown as OAuthOptions;
      expect(() => create(options)).toThrow("dpop.createProof must be a function");
    }
  });
});
