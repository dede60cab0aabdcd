import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer } from "../../src/testing/test-issuer.js";

describe("createTestIssuer()", () => {
  it("mints tokens that its published keys verify", async () => {
    const issuer = await createTestIssuer();
    const { payload } = await jwtVerify(await issuer.mint(), createLocalJWKSet(issuer.jwks()), {
      issuer: issuer.issuer,
      audience: issuer.audience,
      typ: "at+jwt",
    });
    expect(payload).toMatchObject({ sub: "alice", org: "acme", roles: ["tester"] });
  });

  it("changes claims and header as asked, and leaves out what is undefined", async () => {
    const issuer = await createTestIssuer();
    const token = await issuer.mint({ claims: { sub: "bob", org: undefined }, header: { typ: undefined, x: 1 } });
    expect(decodeJwt(token)).toMatchObject({ sub: "bob" });
    expect(decodeJwt(token)).not.toHaveProperty("org");
    expect(decodeProtectedHeader(token)).toEqual({ alg: "ES256", kid: issuer.kid, x: 1 });
  });

  it("takes the time from its clock", async () => {
    const issuer = await createTestIssuer({ clock: createManualClock(1_000_000) });
    expect(decodeJwt(await issuer.mint({ lifetimeSeconds: 60 }))).toMatchObject({ iat: 1_000, exp: 1_060 });
  });

  it("rotates and removes keys", async () => {
    const issuer = await createTestIssuer();
    const first = issuer.kid;
    await issuer.rotate();
    expect(issuer.jwks().keys.map((key) => key.kid)).toEqual([first, issuer.kid]);
    issuer.remove(first);
    expect(issuer.jwks().keys.map((key) => key.kid)).toEqual([issuer.kid]);
  });
});
