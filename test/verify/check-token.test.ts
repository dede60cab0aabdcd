import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type MintOptions, type TestIssuer } from "../../src/testing/test-issuer.js";
import type { Principal } from "../../src/token/principal.js";
import type { TrustedIssuer } from "../../src/verify/trusted-issuer.js";
import { createVerifier, type Verifier } from "../../src/verify/verifier.js";
import { forge } from "../support/forge.js";
import { type JwksServer, startJwksServer } from "../support/jwks-server.js";

const SECOND = 1_000;

describe("checkToken()", () => {
  let clock: ManualClock;
  let issuer: TestIssuer;
  let server: JwksServer;
  const open: Verifier[] = [];

  beforeAll(async () => {
    clock = createManualClock(1_800_000_000_000);
    issuer = await createTestIssuer({ clock });
  });
  beforeEach(async () => {
    server = await startJwksServer(() => ({ body: issuer.jwks() }));
  });
  afterEach(async () => {
    for (const verifier of open.splice(0)) await verifier[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  function create(changes: Partial<TrustedIssuer> = {}, clockToleranceSeconds?: number): Verifier {
    const { issuer: name, audience } = issuer;
    const verifier = createVerifier({
      issuers: [{ issuer: name, audience, algorithms: ["ES256"], jwksUri: server.url, ...changes }],
      allowLoopbackHttp: true,
      clock,
      ...(clockToleranceSeconds !== undefined && { clockToleranceSeconds }),
    });
    open.push(verifier);
    return verifier;
  }
  const verify = async (minted: MintOptions, changes: Partial<TrustedIssuer> = {}): Promise<Principal> =>
    create(changes).verify(await issuer.mint(minted));
  const nowSeconds = (): number => Math.floor(clock.nowMs() / SECOND);

  describe("kind of token", () => {
    it.each(["JWT", "logout+jwt", "dpop+jwt", "client-authentication+jwt", "secevent+jwt", "at+jwt ", "", "xat+jwt"])(
      "B6: refuses typ %o as an access token",
      async (typ) => {
        await expect(verify({ header: { typ } })).rejects.toMatchObject({ code: "ERR_TOKEN_TYPE" });
        expect(server.hits).toBe(0);
      },
    );

    it("B6: refuses an absent typ, and one that is no string", async () => {
      await expect(verify({ header: { typ: undefined } })).rejects.toMatchObject({ code: "ERR_TOKEN_TYPE" });
      await expect(verify({ header: { typ: ["at+jwt"] } })).rejects.toMatchObject({ code: "ERR_TOKEN_MALFORMED" });
    });

    it.each(["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])("B6: accepts typ %s", async (typ) => {
      await expect(verify({ header: { typ } })).resolves.toBeDefined();
    });

    it("B6: compares with the configured type, and opens up for null alone", async () => {
      await expect(verify({ header: { typ: "JWT" } }, { tokenType: "application/jwt" })).resolves.toBeDefined();
      await expect(verify({}, { tokenType: "JWT" })).rejects.toMatchObject({ code: "ERR_TOKEN_TYPE" });
      await expect(verify({ header: { typ: undefined } }, { tokenType: null })).resolves.toBeDefined();
    });

    it("B7: refuses a token inside a token, in both forms", async () => {
      await expect(verify({ header: { cty: "JWT" } })).rejects.toMatchObject({ code: "ERR_TOKEN_MALFORMED" });
      const header = { alg: "ES256", kid: issuer.kid, typ: "at+jwt" };
      await expect(create().verify(forge(header, await issuer.mint(), "signature"))).rejects.toMatchObject({
        code: "ERR_TOKEN_MALFORMED",
      });
      expect(server.hits).toBe(0);
    });

    it("E11: refuses a token that is bound to a key", async () => {
      const digest = "A".repeat(43);
      const bound = [{ jkt: digest }, { "x5t#S256": digest }, { jkt: digest, "x5t#S256": digest }];
      for (const cnf of [...bound, { jkt: "thumbprint" }, { "x5t#S256": "thumbprint" }, {}, null]) {
        await expect(verify({ claims: { cnf } })).rejects.toMatchObject({ code: "ERR_TOKEN_BOUND" });
      }
    });
  });

  describe("times", () => {
    it("D1: refuses a token without exp", async () => {
      await expect(verify({ claims: { exp: undefined } })).rejects.toMatchObject({ code: "ERR_TOKEN_CLAIMS" });
    });

    it("D2: refuses times that are no numbers", async () => {
      for (const claim of ["exp", "nbf", "iat"]) {
        for (const value of [String(nowSeconds() + 60), null, true, [nowSeconds() + 60], {}, ""]) {
          await expect(verify({ claims: { [claim]: value } })).rejects.toMatchObject({ code: "ERR_TOKEN_CLAIMS" });
        }
      }
    });

    it("D3: refuses times that are not finite or too far off, and accepts fractions", async () => {
      const header = { alg: "ES256", kid: issuer.kid, typ: "at+jwt" };
      const { issuer: iss, audience: aud } = issuer;
      const raw = (exp: string): string => `{"iss":"${iss}","aud":"${aud}","sub":"a","exp":${exp}}`;
      for (const exp of ["1e999", "-1e999", "-1", "0", "9007199254740993", String(clock.nowMs() + 60_000)]) {
        await expect(create().verify(forge(header, raw(exp), "signature"))).rejects.toMatchObject({
          name: "TokenRejectedError",
        });
      }
      expect(server.hits).toBe(0);
      await expect(verify({ claims: { exp: nowSeconds() + 60.5 } })).resolves.toBeDefined();
    });

    it("D3: refuses a lifetime above the issuer's, counted from iat, or from now without one", async () => {
      const day = 24 * 60 * 60;
      await expect(verify({ lifetimeSeconds: day })).resolves.toBeDefined();
      await expect(verify({ lifetimeSeconds: day + 1 })).rejects.toMatchObject({ code: "ERR_TOKEN_LIFETIME" });
      const limits = { maxLifetimeSeconds: 60 };
      await expect(verify({ lifetimeSeconds: 60 }, limits)).resolves.toBeDefined();
      await expect(verify({ claims: { iat: undefined }, lifetimeSeconds: 61 }, limits)).rejects.toMatchObject({
        code: "ERR_TOKEN_LIFETIME",
      });
      await expect(verify({ claims: { iat: nowSeconds() - 30 }, lifetimeSeconds: 45 }, limits)).rejects.toMatchObject({
        code: "ERR_TOKEN_LIFETIME",
      });
    });

    it("D4: applies the tolerance once, to the millisecond", async () => {
      const at = nowSeconds();
      const atExp = { claims: { exp: at - 5 + 0.001, iat: at - 60 } };
      await expect(verify(atExp)).resolves.toBeDefined();
      await expect(verify({ claims: { exp: at - 5, iat: at - 60 } })).rejects.toMatchObject({
        code: "ERR_TOKEN_EXPIRED",
      });
      await expect(verify({ claims: { nbf: at + 5 } })).resolves.toBeDefined();
      await expect(verify({ claims: { nbf: at + 5.001 } })).rejects.toMatchObject({ code: "ERR_TOKEN_NOT_YET_VALID" });
      const exact = create({}, 0);
      await expect(exact.verify(await issuer.mint({ claims: { exp: at, iat: at - 60 } }))).rejects.toMatchObject({
        code: "ERR_TOKEN_EXPIRED",
      });
    });

    it("D5: refuses an iat in the future", async () => {
      await expect(verify({ claims: { iat: nowSeconds() + 5 } })).resolves.toBeDefined();
      await expect(verify({ claims: { iat: nowSeconds() + 6 } })).rejects.toMatchObject({
        code: "ERR_TOKEN_NOT_YET_VALID",
      });
    });

    it("D4: checks the times again when the key was long in coming", async () => {
      const gate = Promise.withResolvers<void>();
      server.answer(() => ({ body: issuer.jwks(), after: gate.promise }));
      const verifier = create({ jwksOptions: { attemptTimeoutMs: 60 * SECOND, totalTimeoutMs: 60 * SECOND } });
      const refused = expect(verifier.verify(await issuer.mint({ lifetimeSeconds: 2 }))).rejects.toMatchObject({
        code: "ERR_TOKEN_EXPIRED",
      });
      await server.reached(1);
      await clock.advance(7 * SECOND);
      gate.resolve();
      await refused;
    });
  });

  describe("audience and issuer", () => {
    it.each([
      undefined,
      null,
      [],
      "",
      [""],
      "https://service.tes",
      "https://service.test/",
      "https://service.test.evil",
      "HTTPS://SERVICE.TEST",
      "https://service.test,https://other.test",
      "https://service.test https://other.test",
      [["https://service.test"]],
      [["https://service.test"], "https://other.test"],
      { 0: "https://service.test" },
      { aud: "https://service.test" },
      "*",
      7,
      true,
      ["https://service.test", 7],
    ])("E1: refuses the audience %o", async (aud) => {
      await expect(verify({ claims: { aud } })).rejects.toMatchObject({ code: "ERR_TOKEN_AUDIENCE" });
      expect(server.hits).toBe(0);
    });

    it("E1: accepts one audience among several on either side, and any with null", async () => {
      const aud = ["https://other.test", issuer.audience];
      expect((await verify({ claims: { aud } })).audience).toEqual(aud);
      await expect(verify({}, { audience: ["https://third.test", issuer.audience] })).resolves.toBeDefined();
      expect((await verify({ claims: { aud: undefined } }, { audience: null })).audience).toEqual([]);
    });

    it.each([
      "https://issuer.test/",
      "https://issuer.tes",
      "https://issuer.test.evil",
      "https://ISSUER.test",
      "HTTPS://issuer.test",
      "https://issuer.test:443",
      "http://issuer.test",
      "https://a@issuer.test",
      "https://issuer.test@evil.test",
      "https://issuer.test\u0000",
      " https://issuer.test",
      "https://issuer.test ",
      "https://\u0456ssuer.test",
      "https://xissuer.test",
      "https://issuer.test#",
      "https://issuer.test?",
      "https://issuer%2Etest",
      "//issuer.test",
      "issuer.test",
      "",
      "https://issuer.test\nhttps://evil.test",
    ])("E2: refuses the issuer %o", async (iss) => {
      await expect(verify({ claims: { iss } })).rejects.toMatchObject({ code: "ERR_TOKEN_ISSUER" });
      expect(server.hits).toBe(0);
    });

    it.each([
      [["https://attacker.test", "https://issuer.test"]],
      [["https://issuer.test"]],
      [{ toString: "https://issuer.test" }],
      [null],
      [undefined],
      [7],
      [true],
    ])("E3: refuses the issuer %o, which is no string", async (iss) => {
      await expect(verify({ claims: { iss } })).rejects.toMatchObject({ code: "ERR_TOKEN_ISSUER" });
      expect(server.hits).toBe(0);
    });
  });

  it("H5: fetches nothing for a token that cannot pass", async () => {
    const verifier = create({ requiredClaims: ["tenant"] });
    const tenant = "t";
    for (const minted of [
      { claims: { tenant, iss: "https://stranger.test" } },
      { claims: { tenant, aud: "https://other.test" } },
      { claims: { tenant }, header: { typ: "JWT" } },
      { claims: { tenant }, lifetimeSeconds: -60 },
      { claims: { tenant, nbf: nowSeconds() + 60 } },
      { claims: { tenant, cnf: {} } },
      { claims: {} },
      { claims: { tenant }, header: { kid: undefined } },
    ]) {
      await expect(verifier.verify(await issuer.mint(minted))).rejects.toMatchObject({ name: "TokenRejectedError" });
    }
    expect(server.hits).toBe(0);
    await expect(verifier.verify(await issuer.mint({ claims: { tenant } }))).resolves.toBeDefined();
    expect(server.hits).toBe(1);
  });
});
