import { compactVerify, createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer } from "../../src/testing/test-issuer.js";
import { createVerifier } from "../../src/verify.js";

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

  it("signs with any of several algorithms, with the first unless told otherwise", async () => {
    const algorithms = ["EdDSA", "ES512", "RS256", "PS384"] as const;
    const issuer = await createTestIssuer({ algorithm: algorithms });
    await using verifier = createVerifier({ issuers: [issuer.trusted()] });
    expect(issuer.trusted().algorithms).toEqual(algorithms);
    expect(decodeProtectedHeader(await issuer.mint()).alg).toBe("EdDSA");
    for (const algorithm of algorithms) {
      const token = await issuer.mint({ algorithm });
      expect(decodeProtectedHeader(token).alg).toBe(algorithm);
      await expect(verifier.verify(token)).resolves.toMatchObject({ subject: "alice" });
    }
    await expect(issuer.mint({ algorithm: "ES256" })).rejects.toThrow(
      new TypeError("algorithm must be one of EdDSA, ES512, RS256, PS384"),
    );
  });

  it("refuses to have no algorithm", async () => {
    await expect(createTestIssuer({ algorithm: [] })).rejects.toThrow(new TypeError("algorithm must not be empty"));
  });

  it("refuses fields that are not an option: they would change nothing", async () => {
    const refuse = async (made: Promise<unknown>, field: string): Promise<void> =>
      expect(made).rejects.toThrow(new TypeError(`options.${field} is not an option`));
    await refuse(createTestIssuer({ audiance: "https://jobs.example" } as never), "audiance");
    const issuer = await createTestIssuer();
    await refuse(issuer.mint({ claim: { sub: "bob" } } as never), "claim");
    await refuse(issuer.forge({ signed: new Uint8Array() } as never), "signed");
  });

  it("gives what a server needs to trust it", async () => {
    const issuer = await createTestIssuer({ issuer: "https://idp.test", audience: "jobs" });
    const keys = issuer.jwks();
    expect(issuer.trusted()).toEqual({ issuer: "https://idp.test", audience: "jobs", algorithms: ["ES256"], keys });
  });

  it("mints tokens that are bound to a key", async () => {
    const issuer = await createTestIssuer();
    const token = await issuer.mint({ claims: { cnf: { jkt: "thumbprint" } } });
    expect(decodeJwt(token)).toMatchObject({ cnf: { jkt: "thumbprint" } });
  });

  it("forges tokens of raw parts, signed as they are", async () => {
    const issuer = await createTestIssuer();
    const header = `{"alg":"ES256","kid":"${issuer.kid}"} `;
    const token = await issuer.forge({ header, payload: new Uint8Array([1, 2, 3]) });
    const { payload, protectedHeader } = await compactVerify(token, createLocalJWKSet(issuer.jwks()));
    expect([[...payload], protectedHeader]).toEqual([[1, 2, 3], { alg: "ES256", kid: issuer.kid }]);
    expect(token.split(".")[0]).toBe(Buffer.from(header).toString("base64url"));
  });

  it("forges tokens with any signature, and leaves the other parts good", async () => {
    const issuer = await createTestIssuer();
    const unsigned = await issuer.forge({ header: { alg: "none" }, signature: new Uint8Array() });
    expect(unsigned).toMatch(/^eyJhbGciOiJub25lIn0\.[\w-]+\.$/);
    expect(decodeJwt(unsigned)).toMatchObject({ iss: issuer.issuer, sub: "alice" });
    let signed = "";
    const token = await issuer.forge({
      signature(input) {
        signed = new TextDecoder().decode(input);
        return new Uint8Array([255]);
      },
    });
    expect(token).toBe(`${signed}._w`);
    expect(decodeProtectedHeader(token)).toEqual({ alg: "ES256", kid: issuer.kid, typ: "at+jwt" });
  });
});
