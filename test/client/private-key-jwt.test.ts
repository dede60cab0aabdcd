import { decodeProtectedHeader, importJWK, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { type PrivateKeyJwtOptions, privateKeyJwt } from "../../src/client/private-key-jwt.js";
import { generateSigningKey, type SigningKey } from "../../src/keys/signing-key.js";

const NOW_S = 1_900_000_000;
const { key } = await generateSigningKey();

async function authenticate(options: PrivateKeyJwtOptions, signer: SigningKey = key) {
  const body = new URLSearchParams({ grant_type: "client_credentials" });
  await privateKeyJwt(options).authenticate({
    issuer: "https://issuer.example/",
    tokenEndpoint: "https://issuer.example/token",
    clientId: "report",
    nowMs: NOW_S * 1_000 + 900,
    body,
    headers: new Headers(),
  });
  const assertion = body.get("client_assertion") ?? "";
  const publicKey = await importJWK(signer.publicJwk, signer.algorithm);
  const { payload } = await jwtVerify(assertion, publicKey, { currentDate: new Date(NOW_S * 1_000) });
  return { body, header: decodeProtectedHeader(assertion), payload };
}

describe("privateKeyJwt()", () => {
  it("K1: names the issuer as the only audience, and the client as issuer and subject, for 60 seconds", async () => {
    const { body, header, payload } = await authenticate({ key });
    expect([...body.keys()]).toEqual(["grant_type", "client_id", "client_assertion_type", "client_assertion"]);
    expect(body.get("client_assertion_type")).toBe("urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    expect(header).toEqual({ alg: "ES256", kid: key.kid, typ: "client-authentication+jwt" });
    expect(payload).toEqual({
      iss: "report",
      sub: "report",
      aud: "https://issuer.example/",
      iat: NOW_S - 10,
      nbf: NOW_S - 10,
      exp: NOW_S + 50,
      jti: expect.stringMatching(/^[\w-]{20,}$/),
    });
  });

  it("K1: has a fresh identifier in each assertion", async () => {
    const identifiers = await Promise.all([1, 2, 3].map(async () => (await authenticate({ key })).payload.jti));
    expect(new Set(identifiers).size).toBe(3);
  });

  it("names the token endpoint where that is wanted, and says that it does", async () => {
    expect((await authenticate({ key, audience: "token_endpoint" })).payload.aud).toBe("https://issuer.example/token");
    expect(privateKeyJwt({ key, audience: "token_endpoint" }).boundToEndpoint).toBe(true);
    expect(privateKeyJwt({ key }).boundToEndpoint).toBe(false);
  });

  it("backdates a short assertion by half of its life", async () => {
    const { payload } = await authenticate({ key, lifetimeSeconds: 5 });
    expect(payload).toMatchObject({ iat: NOW_S - 2, exp: NOW_S + 3 });
  });

  it.each(["ES384", "ES512", "RS256", "PS512", "EdDSA"] as const)("signs with %s", async (algorithm) => {
    const { key: other } = await generateSigningKey({ algorithm });
    expect((await authenticate({ key: other }, other)).header.alg).toBe(algorithm);
  });

  it("asks a function for the key of each assertion", async () => {
    const { key: next } = await generateSigningKey();
    let current = key;
    const options = { key: () => current };
    expect((await authenticate(options)).header.kid).toBe(key.kid);
    current = next;
    expect((await authenticate(options, next)).header.kid).toBe(next.kid);
  });

  it.each([undefined, { ...key, privateKey: "secret" }, { ...key, algorithm: "none" }])(
    "does not sign with %o that a function gives",
    async (given) => {
      await expect(authenticate({ key: () => given as SigningKey })).rejects.toThrow(/^key/);
    },
  );

  it.each<[object, string]>([
    [{ key: undefined }, "key must be a signing key"],
    [{ key: { ...key, kid: "" } }, "key.kid must not be empty"],
    [{ key: { ...key, algorithm: "HS256" } }, "key.algorithm must be a supported signature algorithm"],
    [{ key: { ...key, privateKey: "secret" } }, "key.privateKey must be a private CryptoKey"],
    [{ key, audience: "https://issuer.example" }, 'audience must be "issuer" or "token_endpoint"'],
    [{ key, lifetimeSeconds: 61 }, "lifetimeSeconds must be at most 60, got 61"],
    [{ key, lifetimeSeconds: 0 }, "lifetimeSeconds must be a positive finite number"],
    [{ key, lifetimeSeconds: 1.5 }, "lifetimeSeconds must be an integer"],
    [{ key, lifetime: 60 }, "options.lifetime is not an option"],
  ])("refuses %o", (options, message) => {
    expect(() => privateKeyJwt(options as PrivateKeyJwtOptions)).toThrow(message);
  });
});
