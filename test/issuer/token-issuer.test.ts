import { createLocalJWKSet, decodeProtectedHeader, type JWTPayload, jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { createTokenIssuer, type IssueRequest, type TokenIssuerOptions } from "../../src/issuer/token-issuer.js";
import { createKeyRing, type KeyRing } from "../../src/keys/key-ring.js";
import { memoryKeyStore } from "../../src/keys/memory-key-store.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";

const NOW_MS = Date.parse("2026-11-21T12:00:00.900Z");
const NOW_SECONDS = Math.floor(NOW_MS / 1_000);

function ringAt(clock: ManualClock, maxTokenLifetimeMs = 3_600_000): KeyRing {
  return createKeyRing({ store: memoryKeyStore(), clock, gracePeriodMs: 60_000, maxTokenLifetimeMs });
}

function issuerAt(clock: ManualClock, options: Partial<TokenIssuerOptions> = {}) {
  const keyRing = ringAt(clock);
  const given = { issuer: "https://idp.example", audience: "https://jobs.example", keyRing, clock };
  const issuer = createTokenIssuer({ ...given, ...options });
  const verify = async (token: string): Promise<JWTPayload> => {
    const keys = createLocalJWKSet({ keys: [...(await keyRing.publicKeys())] });
    return (await jwtVerify(token, keys, { currentDate: new Date(clock.nowMs()) })).payload;
  };
  return { issuer, keyRing, verify };
}

describe("createTokenIssuer()", () => {
  it("issues an access token that says what was asked, backdated by 10 s", async () => {
    const { issuer, keyRing, verify } = issuerAt(createManualClock(NOW_MS));
    const token = await issuer.issue({
      subject: "alice",
      org: "acme",
      roles: ["submitter"],
      scope: "jobs:read jobs:write",
      principalId: "p-1",
      clientId: "cli",
      claims: { team: "blue" },
    });
    const { kid } = await keyRing.signingKey();
    expect(decodeProtectedHeader(token.value)).toEqual({ alg: "ES256", kid, typ: "at+jwt" });
    expect(await verify(token.value)).toEqual({
      iss: "https://idp.example",
      sub: "alice",
      aud: "https://jobs.example",
      iat: NOW_SECONDS - 10,
      nbf: NOW_SECONDS - 10,
      exp: NOW_SECONDS - 10 + 3_600,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      client_id: "cli",
      org: "acme",
      roles: ["submitter"],
      scope: "jobs:read jobs:write",
      principal_id: "p-1",
      team: "blue",
    });
    expect(token).toMatchObject({
      expiresAtMs: (NOW_SECONDS - 10 + 3_600) * 1_000,
      issuedAtMs: (NOW_SECONDS - 10) * 1_000,
    });
  });

  it("leaves out what was not asked for, and never repeats a jti", async () => {
    const { issuer, verify } = issuerAt(createManualClock(NOW_MS), { audience: ["a", "b"] });
    const tokens = await Promise.all([
      issuer.issue({ subject: "alice" }),
      issuer.issue({ subject: "alice", roles: [] }),
    ]);
    const [one, two] = await Promise.all(tokens.map(({ value }) => verify(value)));
    expect(Object.keys(one ?? {}).sort()).toEqual(["aud", "client_id", "exp", "iat", "iss", "jti", "nbf", "sub"]);
    expect(one).toMatchObject({ aud: ["a", "b"], client_id: "alice" });
    expect(two).toMatchObject({ roles: [] });
    expect(one?.jti).not.toBe(two?.jti);
  });

  it("takes audience and lifetime from the request, and claim names from the options", async () => {
    const { issuer, verify } = issuerAt(createManualClock(NOW_MS), { claimNames: { org: "tenant" } });
    const { value } = await issuer.issue({ subject: "alice", audience: "other", org: "acme", lifetimeSeconds: 60 });
    expect(await verify(value)).toMatchObject({ aud: "other", tenant: "acme", exp: NOW_SECONDS + 50 });
  });

  it("signs with the next key from the moment it is its turn", async () => {
    const clock = createManualClock(NOW_MS);
    const { issuer, keyRing, verify } = issuerAt(clock);
    const before = await issuer.issue({ subject: "alice" });
    const next = await keyRing.rotate();
    await clock.advance(59_999);
    expect(decodeProtectedHeader((await issuer.issue({ subject: "alice" })).value).kid).not.toBe(next.kid);
    await clock.advance(1);
    const after = await issuer.issue({ subject: "alice" });
    expect(decodeProtectedHeader(after.value).kid).toBe(next.kid);
    expect(await verify(before.value)).toMatchObject({ sub: "alice" });
    expect(await verify(after.value)).toMatchObject({ sub: "alice" });
  });

  it("uses the maximum of the ring as the lifetime when that is less than an hour", async () => {
    const clock = createManualClock(NOW_MS);
    const { issuer } = issuerAt(clock, { keyRing: ringAt(clock, 120_000) });
    const { expiresAtMs, issuedAtMs = 0 } = await issuer.issue({ subject: "alice" });
    expect(expiresAtMs - issuedAtMs).toBe(120_000);
  });

  it.each<[string, Partial<Record<keyof TokenIssuerOptions, unknown>>]>([
    ["issuer", { issuer: "" }],
    ["audience", { audience: "" }],
    ["audience", { audience: [] }],
    ["audience", { audience: undefined }],
    ["keyRing", { keyRing: {} }],
    ["lifetimeSeconds", { lifetimeSeconds: 3_601 }],
    ["lifetimeSeconds", { lifetimeSeconds: Number.NaN }],
    ["lifetimeSeconds", { lifetimeSeconds: "1h" }],
    ["claimNames.org", { claimNames: { org: "" } }],
    ["claimNames.principal", { claimNames: { principal: "sub" } }],
    ["claimNames", { claimNames: { org: "roles" } }],
  ])("I6: refuses a bad %s at construction", (field, bad) => {
    expect(() => issuerAt(createManualClock(), bad as Partial<TokenIssuerOptions>)).toThrow(field);
  });

  it.each<[string, object]>([
    ["subject", { subject: "" }],
    ["subject", {}],
    ["audience", { subject: "a", audience: [""] }],
    ["org", { subject: "a", org: "" }],
    ["roles", { subject: "a", roles: "admin" }],
    ["roles[0]", { subject: "a", roles: [["admin"]] }],
    ["scope", { subject: "a", scope: ["x"] }],
    ["lifetimeSeconds", { subject: "a", lifetimeSeconds: 3_601 }],
    ["lifetimeSeconds", { subject: "a", lifetimeSeconds: 0 }],
    ["lifetimeSeconds", { subject: "a", lifetimeSeconds: Number.POSITIVE_INFINITY }],
    ["claims must not contain exp", { subject: "a", claims: { exp: 1e99 } }],
    ["claims must not contain org", { subject: "a", claims: { org: "other" } }],
    ["claims must not contain roles", { subject: "a", org: "acme", claims: { roles: ["admin"] } }],
  ])("refuses to issue with a bad %s", async (message, request) => {
    const { issuer } = issuerAt(createManualClock());
    await expect(issuer.issue(request as IssueRequest)).rejects.toThrow(message);
  });
});
