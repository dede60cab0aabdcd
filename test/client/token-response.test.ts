import { SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { createTokenEndpoint } from "../../src/client/token-endpoint.js";
import { checkTokenDocument, toTokenResponse } from "../../src/client/token-response.js";
import { TokenSourceError } from "../../src/errors.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { startAuthorizationServer } from "../support/scripted-authorization-server.js";

const NOW_MS = 1_900_000_000_000;
const DAY_S = 24 * 60 * 60;
const times = { requestedAtMs: NOW_MS, serverAheadMs: 0, serverTimeMs: undefined };
const bare = { access_token: "token-1", token_type: "Bearer" };

function lifeSeconds(document: Record<string, unknown>, serverAheadMs = 0): number {
  const { token } = toTokenResponse(checkTokenDocument({ ...bare, ...document }), { ...times, serverAheadMs });
  return (token.expiresAtMs - NOW_MS) / 1_000;
}

async function jwt(exp: unknown): Promise<string> {
  return new SignJWT({ exp } as { exp: number })
    .setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode("a secret of the test, long enough"));
}

describe("checkTokenDocument()", () => {
  it("keeps what is needed and nothing else", () => {
    const document = {
      ...bare,
      expires_in: 60,
      scope: "a",
      issued_token_type: "urn:x",
      refresh_token: "r",
      id_token: "i",
    };
    expect(checkTokenDocument(document)).toEqual({
      access_token: "token-1",
      token_type: "bearer",
      expires_in: 60,
      scope: "a",
      issued_token_type: "urn:x",
    });
  });

  it.each(["bearer", "Bearer", "BEARER"])("takes the type %s", (type) => {
    expect(checkTokenDocument({ ...bare, token_type: type }).token_type).toBe("bearer");
  });

  it("takes the type that was asked for, and no other", () => {
    const bound = { ...bare, token_type: "DPoP" };
    expect(checkTokenDocument(bound, "dpop").token_type).toBe("dpop");
    expect(() => checkTokenDocument(bound)).toThrow('The "token_type" that the token endpoint gave is not Bearer');
    expect(() => checkTokenDocument(bare, "dpop")).toThrow('The "token_type" that the token endpoint gave is not DPoP');
  });

  it.each([
    { access_token: 1 },
    { access_token: undefined },
    { token_type: undefined },
    { token_type: ["Bearer"] },
    { scope: ["a"] },
    { scope: null },
    { issued_token_type: 1 },
  ])("refuses %o", (members) => {
    expect(() => checkTokenDocument({ ...bare, ...members })).toThrow(TokenSourceError);
  });

  it("does not take members of a prototype for those of the answer", () => {
    const inherited = Object.create({ ...bare }) as Record<string, unknown>;
    expect(() => checkTokenDocument(inherited)).toThrow('"access_token"');
  });
});

describe("toTokenResponse()", () => {
  it.each<[unknown, number]>([
    [60, 60],
    ["3600", 3_600],
    [3_599.5, 3_599.5],
    [2 ** 53, DAY_S],
    ["99999999999999999999", DAY_S],
    [DAY_S + 1, DAY_S],
  ])("takes %o for a life of %d seconds", (expiresIn, seconds) => {
    expect(lifeSeconds({ expires_in: expiresIn })).toBe(seconds);
  });

  it("takes the expiry of a JWT for a hint, by the server's clock", async () => {
    const token = await jwt(NOW_MS / 1_000 + 900);
    expect(lifeSeconds({ access_token: token })).toBe(900);
    expect(lifeSeconds({ access_token: token }, 300_000)).toBe(600);
    expect(lifeSeconds({ access_token: await jwt(NOW_MS / 1_000 + 2 * DAY_S) })).toBe(DAY_S);
    expect(lifeSeconds({ access_token: token, expires_in: 60 })).toBe(60);
  });

  it("uses a token of unknown life for 5 minutes", async () => {
    expect(lifeSeconds({})).toBe(300);
    for (const token of ["a.b.c", "a.e30.c", "a.e30", "e30.e30.e30.e30", "..", "a.W10.c"]) {
      expect(lifeSeconds({ access_token: token })).toBe(300);
    }
    expect(lifeSeconds({ access_token: await jwt("soon") })).toBe(300);
    const [header, payload] = (await jwt(NOW_MS / 1_000 + 900)).split(".");
    expect(lifeSeconds({ access_token: `${header}.${payload}` })).toBe(300);
    expect(lifeSeconds({ access_token: await jwt(undefined) })).toBe(300);
  });

  it("refuses a token that says it has expired", async () => {
    const token = await jwt(NOW_MS / 1_000);
    expect(() => lifeSeconds({ access_token: token })).toThrow(
      'The "access_token" that the token endpoint gave has expired',
    );
  });
});

describe("the life that a token endpoint states", () => {
  const members: [string, string, number | undefined][] = [
    ["0", `,"expires_in":0`, undefined],
    ["negative", `,"expires_in":-1`, undefined],
    ["a text of digits", `,"expires_in":"3600"`, 3_600],
    ["a text with letters behind", `,"expires_in":"3600abc"`, undefined],
    ["null", `,"expires_in":null`, undefined],
    ["missing", "", 300],
    ["NaN", `,"expires_in":NaN`, undefined],
    ["1e999", `,"expires_in":1e999`, undefined],
    ["2^53", `,"expires_in":9007199254740992`, DAY_S],
    ["a fraction", `,"expires_in":1800.5`, 1_800.5],
    ["an empty text", `,"expires_in":""`, undefined],
    ["true", `,"expires_in":true`, undefined],
    ["a list", `,"expires_in":[3600]`, undefined],
    ["a text of 0", `,"expires_in":"0"`, undefined],
    ["a text of hexadecimal", `,"expires_in":"0x10"`, undefined],
    ["digits without end", `,"expires_in":"${"9".repeat(400)}"`, undefined],
  ];

  it.each(members)("K6: %s costs at most 2 requests in 5 seconds of calls", async (_, text, seconds) => {
    const body = `{"access_token":"token-1","token_type":"Bearer"${text}}`;
    await using server = await startAuthorizationServer({ body, headers: { date: "" } });
    const clock = createManualClock(NOW_MS);
    const authorizationServer = { issuer: server.issuer, tokenEndpoint: server.tokenEndpoint };
    const endpoint = createTokenEndpoint({ authorizationServer, clock });
    const source = {
      getToken: async ({ signal }: { signal: AbortSignal }) =>
        (await endpoint.request("client_credentials", new URLSearchParams(), { signal })).token,
    };
    const tokens = cachedTokens(source, { clock });
    const call = { audience: "a", origin: "https://jobs.example", signal: new AbortController().signal };
    for (let step = 0; step < 50; step++) {
      const outcome = await tokens.getToken(call).catch((error: unknown) => error);
      if (seconds === undefined) expect(outcome).toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
      else expect(outcome).toMatchObject({ value: "token-1", expiresAtMs: NOW_MS + seconds * 1_000 });
      await clock.advance(100);
    }
    expect(server.tokenRequests.length).toBeLessThanOrEqual(2);
  });
});
