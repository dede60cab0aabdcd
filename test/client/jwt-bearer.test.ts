import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { type JwtBearerOptions, jwtBearer } from "../../src/client/jwt-bearer.js";
import { privateKeyJwt } from "../../src/client/private-key-jwt.js";
import { signedJwt } from "../../src/client/signed-jwt.js";
import { TokenSourceError } from "../../src/errors.js";
import { generateSigningKey } from "../../src/keys/signing-key.js";
import type { ContextValuesLike, TokenRequest, TokenSource } from "../../src/token/token.js";
import {
  type ScriptedAuthorizationServer,
  startAuthorizationServer,
  tokenAnswer,
} from "../support/scripted-authorization-server.js";
import { createScriptedSource } from "../support/scripted-source.js";
import { createSkippingClock } from "../support/skipping-clock.js";

const { key } = await generateSigningKey();
const assertion = signedJwt({ key, issuer: "report", lifetimeSeconds: 60, tokenType: "JWT" });

let server: ScriptedAuthorizationServer;
beforeEach(async () => {
  server = await startAuthorizationServer();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

const open = (options: Partial<JwtBearerOptions> = {}) =>
  jwtBearer({
    authorizationServer: server.issuer,
    assertion,
    clock: createSkippingClock([5_000, 15_000]),
    ...options,
  });

const request = (changes: Partial<TokenRequest> = {}): TokenRequest => ({
  audience: "https://jobs.example",
  origin: "https://jobs.example",
  signal: new AbortController().signal,
  ...changes,
});

const valuesOf = (user: string): ContextValuesLike => ({
  get: <T>({ defaultValue }: { readonly defaultValue: T }) =>
    typeof defaultValue === "string" ? (user as T) : defaultValue,
});
const userKey = { id: Symbol("user"), defaultValue: "" };

describe("jwtBearer()", () => {
  it("exchanges an assertion that is made for the issuer, without a client", async () => {
    expect((await open({ scope: "jobs" }).getToken(request())).value).toBe("token-1");
    const sent = Object.fromEntries(server.tokenRequests[0]?.parameters ?? []);
    expect(sent).toEqual({
      grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
      scope: "jobs",
      assertion: expect.any(String),
    });
    expect(decodeProtectedHeader(sent["assertion"] ?? "").typ).toBe("JWT");
    expect(decodeJwt(sent["assertion"] ?? "")).toMatchObject({ iss: "report", aud: server.issuer });
  });

  it("authenticates the client beside it where there is one", async () => {
    await open({ clientId: "gateway", clientAuth: privateKeyJwt({ key }) }).getToken(request());
    const parameters = server.tokenRequests[0]?.parameters;
    expect(decodeJwt(parameters?.get("client_assertion") ?? "").sub).toBe("gateway");
    expect(decodeJwt(parameters?.get("assertion") ?? "").sub).toBe(key.kid);
  });

  it("K1: sends another assertion with each request", async () => {
    server.answer((hit) => (hit < 3 ? { status: 502 } : tokenAnswer()));
    await open().getToken(request());
    const identifiers = server.tokenRequests.map(({ parameters }) => decodeJwt(parameters.get("assertion") ?? "").jti);
    expect(new Set(identifiers).size).toBe(3);
  });

  it("passes on what the call carries, and not that our token was rejected", async () => {
    const source = { ...createScriptedSource(), cacheKey: () => "all" };
    await open({ assertion: source }).getToken(request({ contextValues: valuesOf("alice"), rejected: "token-0" }));
    const [asked] = source.requests;
    expect(asked).toMatchObject({ audience: server.issuer, origin: server.issuer });
    expect(asked?.contextValues?.get(userKey)).toBe("alice");
    expect(asked?.rejected).toBeUndefined();
  });

  it("K14: has one token per assertion where its source tells them apart", () => {
    const perUser = {
      ...createScriptedSource(),
      cacheKey: ({ contextValues }: TokenRequest) => contextValues?.get(userKey) ?? "",
    };
    const source = open({ assertion: perUser, scope: "jobs" });
    const keyOf = (user: string) => source.cacheKey?.(request({ contextValues: valuesOf(user) }));
    expect(keyOf("alice")).not.toBe(keyOf("bob"));
    expect(keyOf("alice")).toBe(keyOf("alice"));
    const wider = open({ assertion: perUser, scope: "jobs admin" });
    expect(wider.cacheKey?.(request({ contextValues: valuesOf("alice") }))).not.toBe(keyOf("alice"));
  });

  it("K14: fails where a source without a key would give one caller the assertion of another", async () => {
    const perUser: TokenSource = {
      getToken: async ({ contextValues }) => ({ value: `for-${contextValues?.get(userKey)}`, expiresAtMs: Infinity }),
    };
    await expect(
      open({ assertion: perUser }).getToken(request({ contextValues: valuesOf("alice") })),
    ).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
    expect(server.tokenRequests).toHaveLength(0);
  });

  it("tells a cache that its assertion was refused", async () => {
    const source = createScriptedSource();
    const cached = cachedTokens(source);
    server.answer((hit) => (hit === 1 ? { status: 400, body: { error: "invalid_grant" } } : tokenAnswer()));
    const exchanged = open({ assertion: cached });
    await expect(exchanged.getToken(request())).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_REFUSED" });
    await exchanged.getToken(request());
    expect(server.tokenRequests.map(({ parameters }) => parameters.get("assertion"))).toEqual(["token-1", "token-2"]);
  });

  it.each([undefined, "", 7])("sends no assertion %o", async (value) => {
    const source: TokenSource = { getToken: async () => ({ value: value as string, expiresAtMs: Infinity }) };
    await expect(open({ assertion: source }).getToken(request())).rejects.toMatchObject({
      code: "ERR_TOKEN_SOURCE_INVALID",
    });
    expect(server.tokenRequests).toHaveLength(0);
  });

  it("passes on what the assertion's source fails with, asked once, and sends nothing", async () => {
    const failed = new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "no assertion");
    const source = createScriptedSource();
    source.answer = () => Promise.reject(failed);
    await expect(open({ assertion: source }).getToken(request())).rejects.toBe(failed);
    expect(source.requests).toHaveLength(1);
    expect(server.tokenRequests).toHaveLength(0);
  });

  it.each<[object, string]>([
    [{ assertion: undefined }, "assertion must be a token source, got undefined"],
    [{ assertion: "eyJ" }, "assertion must be a token source, got string"],
    [{ clientAuth: privateKeyJwt({ key }) }, "clientAuth needs a clientId"],
    [{ subject: "a" }, "options.subject is not an option"],
  ])("refuses %o", (options, message) => {
    expect(() => open(options)).toThrow(message);
  });
});
