import { compactVerify, decodeJwt, decodeProtectedHeader, exportSPKI, importJWK, jwtVerify } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { createManualClock, createTestIssuer, hostileTokens, type TestIssuer } from "../../src/testing.js";
import { createVerifier } from "../../src/verify.js";

let issuer: TestIssuer;
let tokens: ReadonlyMap<string, string>;

beforeAll(async () => {
  issuer = await createTestIssuer();
  await issuer.rotate();
  tokens = new Map((await hostileTokens(issuer, { sub: "bob" })).map(({ name, token }) => [name, token]));
});

function tokenOf(name: string): string {
  const token = tokens.get(name);
  if (token === undefined) throw new Error(`there is no token ${name}`);
  return token;
}

describe("hostileTokens()", () => {
  // Each fails the one check that its name is about: all else of it is as in a good token.
  const expected = {
    'with "alg" none and no signature': "ERR_TOKEN_MALFORMED",
    'with "alg" none and a stolen signature': "ERR_TOKEN_ALGORITHM",
    "signed with HMAC and the public JWK as secret": "ERR_TOKEN_ALGORITHM",
    "signed with HMAC and the public PEM as secret": "ERR_TOKEN_ALGORITHM",
    "signed with HMAC and an empty secret": "ERR_TOKEN_ALGORITHM",
    "that was altered after it was signed": "ERR_TOKEN_SIGNATURE",
    "signed with the key of a stranger": "ERR_TOKEN_SIGNATURE",
    "signed with a key that it brings along": "ERR_TOKEN_SIGNATURE",
    "signed with a key that nobody knows": "ERR_KEY_NOT_FOUND",
    "spelt in another way": "ERR_TOKEN_MALFORMED",
    "with a claim that is there twice": "ERR_TOKEN_MALFORMED",
    "with a critical extension": "ERR_TOKEN_MALFORMED",
    "that has expired": "ERR_TOKEN_EXPIRED",
    "that is not valid yet": "ERR_TOKEN_NOT_YET_VALID",
    "that never expires": "ERR_TOKEN_CLAIMS",
    "of another issuer": "ERR_TOKEN_ISSUER",
    "for another service": "ERR_TOKEN_AUDIENCE",
    "of another type": "ERR_TOKEN_TYPE",
    "bound to a key, without a proof of it": "ERR_TOKEN_BOUND",
    "bound to a certificate, without it": "ERR_TOKEN_BOUND",
  };

  it("makes each of them", () => {
    expect([...tokens.keys()]).toEqual(Object.keys(expected));
  });

  it.each(Object.entries(expected))("a token %s is refused for that: %s", async (name, code) => {
    await using verifier = createVerifier({ issuers: [issuer.trusted()] });
    await expect(verifier.verify(await issuer.mint())).resolves.toBeDefined();
    await expect(verifier.verify(tokenOf(name))).rejects.toMatchObject({ code });
  });

  it("makes tokens that a verifier without that very check would accept", async () => {
    const jwk = issuer.jwks().keys.find(({ kid }) => kid === issuer.kid) ?? {};
    const publicKey = (await importJWK(jwk, "ES256", { extractable: true })) as CryptoKey;
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
    await jwtVerify(tokenOf("signed with HMAC and the public JWK as secret"), bytes(JSON.stringify(jwk)));
    await jwtVerify(tokenOf("signed with HMAC and the public PEM as secret"), bytes(await exportSPKI(publicKey)));
    await jwtVerify(tokenOf("signed with HMAC and an empty secret"), new Uint8Array(1));
    const carrier = tokenOf("signed with a key that it brings along");
    const { jwk: carried = {}, kid } = decodeProtectedHeader(carrier);
    await jwtVerify(carrier, await importJWK(carried, "ES256"));
    expect(kid).toBe(issuer.kid);
    for (const name of ["of another issuer", "of another type", "with a claim that is there twice"]) {
      await compactVerify(tokenOf(name), publicKey);
    }
  });

  it("gives them the claims asked for", () => {
    expect(decodeJwt(tokenOf("for another service"))).toMatchObject({ sub: "bob", org: "acme" });
  });

  it("takes the time from the clock of the issuer", async () => {
    const then = await createTestIssuer({ clock: createManualClock(10_000_000_000) });
    const made = await hostileTokens(then);
    const expired = made.find(({ name }) => name === "that has expired");
    expect(decodeJwt(expired?.token ?? "")).toMatchObject({ exp: 10_000_000 - 3_600 });
  });
});
