import { createContextKey, createContextValues } from "@connectrpc/connect";
import { decodeJwt } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { signedJwt } from "../../src/client/signed-jwt.js";
import { staticToken } from "../../src/client/static-token.js";
import { type TokenExchangeOptions, tokenExchange } from "../../src/client/token-exchange.js";
import { TokenSourceError } from "../../src/errors.js";
import { generateSigningKey } from "../../src/keys/signing-key.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import type { TokenRequest, TokenSource } from "../../src/token/token.js";
import {
  type ScriptedAuthorizationServer,
  startAuthorizationServer,
  tokenAnswer,
} from "../support/scripted-authorization-server.js";
import { createDeferred, createScriptedSource } from "../support/scripted-source.js";
import { createSkippingClock } from "../support/skipping-clock.js";

const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const JWT = "urn:ietf:params:oauth:token-type:jwt";
const ISSUER = "https://login.example";
const request = {
  audience: "https://jobs.example",
  origin: "https://jobs.example",
  signal: new AbortController().signal,
};
const user = createContextKey("nobody");
const as = (name: string): TokenRequest => ({ ...request, contextValues: createContextValues().set(user, name) });

let server: ScriptedAuthorizationServer;
beforeEach(async () => {
  server = await startAuthorizationServer(exchanged());
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

function exchanged(members: Readonly<Record<string, unknown>> = {}) {
  return tokenAnswer({ issued_token_type: ACCESS_TOKEN, ...members });
}

/** Answers each exchange with a token that says for whom, by whom and for what it is. */
function answerBySubject(): void {
  server.answer((hit) => {
    const sent = server.tokenRequests[hit - 1]?.parameters;
    const parts = ["subject_token", "actor_token", "audience", "scope"].map((name) => sent?.get(name) ?? "-");
    return exchanged({ access_token: parts.join("~").replaceAll(":", "_") });
  });
}

/** A source that serves whoever the call says is calling, late and out of turn. */
function perUser(order: readonly Promise<unknown>[] = []): TokenSource {
  let asked = 0;
  return {
    async getToken({ contextValues }) {
      const name = contextValues?.get(user) ?? "nobody";
      await order[asked++];
      return { value: name, expiresAtMs: Number.POSITIVE_INFINITY };
    },
    cacheKey: ({ contextValues }) => contextValues?.get(user) ?? "nobody",
  };
}

function exchange(options: Partial<TokenExchangeOptions> = {}): TokenSource {
  const authorizationServer = { issuer: ISSUER, tokenEndpoint: server.tokenEndpoint };
  return tokenExchange({ authorizationServer, subjectToken: staticToken("subject"), ...options });
}

const formOf = (hit: number) => Object.fromEntries(server.tokenRequests[hit - 1]?.parameters ?? []);

describe("tokenExchange()", () => {
  it("sends the subject's token and gives what it was exchanged for", async () => {
    const { value } = await exchange().getToken(request);
    expect(value).toBe("token-1");
    expect(formOf(1)).toEqual({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: "subject",
      subject_token_type: ACCESS_TOKEN,
    });
  });

  it("sends types, actor, target and client", async () => {
    server.answer(exchanged({ issued_token_type: JWT, scope: "read" }));
    const source = exchange({
      clientId: "gateway",
      headers: { "x-tenant": "acme" },
      subjectTokenType: JWT,
      actorToken: staticToken("actor"),
      actorTokenType: "urn:example:actor",
      requestedTokenType: JWT,
      audience: "jobs",
      scope: "read write",
      resource: ["https://a.example/", "https://b.example/"],
    });
    await source.getToken(request);
    expect(formOf(1)).toMatchObject({
      client_id: "gateway",
      subject_token_type: JWT,
      actor_token: "actor",
      actor_token_type: "urn:example:actor",
      requested_token_type: JWT,
      audience: "jobs",
      scope: "read write",
    });
    expect(server.tokenRequests[0]?.parameters.getAll("resource")).toEqual([
      "https://a.example/",
      "https://b.example/",
    ]);
    expect(server.tokenRequests[0]?.headers).toMatchObject({ "x-tenant": "acme" });
  });

  it("asks subject and actor for tokens that the authorization server takes", async () => {
    const { key } = await generateSigningKey();
    const source = exchange({ subjectToken: signedJwt({ key, issuer: "gateway" }), subjectTokenType: JWT });
    await source.getToken(request);
    expect(decodeJwt(formOf(1)["subject_token"] ?? "").aud).toBe(ISSUER);
  });

  it("asks the subject anew for each repetition, so that a token for one use is used once", async () => {
    const { key } = await generateSigningKey();
    server.answer((hit) => (hit === 1 ? { status: 503 } : exchanged()));
    const clock = createSkippingClock([5_000, 15_000]);
    await exchange({ subjectToken: signedJwt({ key, issuer: "gateway" }), clock }).getToken(request);
    const [first, second] = server.tokenRequests.map(({ parameters }) =>
      decodeJwt(parameters.get("subject_token") ?? ""),
    );
    expect(server.tokenRequests).toHaveLength(2);
    expect(second?.jti).not.toBe(first?.jti);
  });

  it("derives audience and scope from the call, a token for each host", async () => {
    answerBySubject();
    const source = exchange({
      audience: ({ origin }) => origin,
      scope: ({ origin }) => `ingest:${new URL(origin).hostname}`,
    });
    expect(source.audienceBound).toBe(true);
    const tokens = cachedTokens(source);
    const at = (host: string) => ({ ...request, origin: `https://${host}`, audience: `https://${host}` });
    const given = await Promise.all(
      ["eu.example", "us.example", "eu.example"].map((host) => tokens.getToken(at(host))),
    );
    expect(given.map(({ value }) => value)).toEqual([
      "subject~-~https_//eu.example~ingest_eu.example",
      "subject~-~https_//us.example~ingest_us.example",
      "subject~-~https_//eu.example~ingest_eu.example",
    ]);
    expect(server.tokenRequests).toHaveLength(2);
  });

  it("K2: is bound to one origin unless its target depends on the call", () => {
    expect(exchange({ audience: "jobs", scope: "read" }).audienceBound).toBeUndefined();
  });

  it("K13: never swaps the tokens of two users who call at the same time", async () => {
    answerBySubject();
    const [slow, quick] = [createDeferred<void>(), createDeferred<void>()];
    const tokens = cachedTokens(exchange({ subjectToken: perUser([slow.promise, quick.promise]) }));
    const alice = tokens.getToken(as("alice"));
    const bob = tokens.getToken(as("bob"));
    quick.resolve();
    await expect(bob).resolves.toMatchObject({ value: "bob~-~-~-" });
    slow.resolve();
    await expect(alice).resolves.toMatchObject({ value: "alice~-~-~-" });
    await expect(tokens.getToken(as("bob"))).resolves.toMatchObject({ value: "bob~-~-~-" });
    expect(server.tokenRequests).toHaveLength(2);
  });

  it("K13: keeps apart who acts for the same subject", async () => {
    answerBySubject();
    const tokens = cachedTokens(exchange({ actorToken: perUser() }));
    const given = await Promise.all(["a", "b", "a"].map((name) => tokens.getToken(as(name))));
    expect(given.map(({ value }) => value)).toEqual(["subject~a~-~-", "subject~b~-~-", "subject~a~-~-"]);
  });

  it("K13: has a key of its own for every combination of subject, actor, audience, scope and resource", () => {
    const named = (name: string): TokenSource => ({ ...staticToken("x"), cacheKey: () => name });
    const keyOf = (options: Partial<TokenExchangeOptions>) => exchange(options).cacheKey?.(request);
    const keys = [
      keyOf({ subjectToken: named("a") }),
      keyOf({ subjectToken: named("b") }),
      keyOf({ subjectToken: named('a","b') }),
      keyOf({ subjectToken: named("a"), actorToken: named("b") }),
      keyOf({ subjectToken: named("b"), actorToken: named("a") }),
      keyOf({ subjectToken: named("a"), audience: "x" }),
      keyOf({ subjectToken: named("a"), scope: "x" }),
      keyOf({ subjectToken: named("a"), resource: "urn:x" }),
      keyOf({ subjectToken: named("a"), resource: ["urn:x", "urn:y"] }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("K14: serves 100 tenants interleaved, 10,000 calls, without one swap", async () => {
    answerBySubject();
    const tokens = cachedTokens(exchange({ subjectToken: perUser() }));
    const names = Array.from({ length: 100 }, (_, index) => `tenant-${index}`);
    let swaps = 0;
    for (let round = 0; round < 100; round++) {
      const given = await Promise.all(names.map((name) => tokens.getToken(as(name))));
      swaps += given.filter(({ value }, index) => value !== `${names[index]}~-~-~-`).length;
    }
    expect(swaps).toBe(0);
    expect(server.tokenRequests).toHaveLength(100);
  });

  it("K13: fails a subject source that looks at who calls and cannot tell callers apart", async () => {
    const careless: TokenSource = {
      getToken: async ({ contextValues }) => ({ value: contextValues?.get(user) ?? "none", expiresAtMs: 9e15 }),
    };
    const tokens = cachedTokens(exchange({ subjectToken: careless }));
    await expect(tokens.getToken(as("alice"))).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
    const nobody = { ...careless, cacheKey: () => undefined as unknown as string };
    await expect(cachedTokens(exchange({ subjectToken: nobody })).getToken(as("alice"))).rejects.toMatchObject({
      code: "ERR_TOKEN_SOURCE_INVALID",
    });
    expect(server.tokenRequests).toHaveLength(0);
  });

  it.each([
    ["a refresh token", { issued_token_type: "urn:ietf:params:oauth:token-type:refresh_token" }, {}],
    ["an ID token", { issued_token_type: "urn:ietf:params:oauth:token-type:id_token" }, {}],
    ["a token of a kind it does not name", { issued_token_type: undefined }, {}],
    ["another kind than was asked for", {}, { requestedTokenType: JWT }],
    ["a token that is no access token", { token_type: "N_A" }, {}],
    ["a wider scope", { scope: "read write admin" }, { scope: "read write" }],
    ["another scope", { scope: "admin" }, { scope: "read" }],
  ])("K13: refuses %s", async (_, members, options) => {
    server.answer(exchanged(members));
    await expect(exchange(options).getToken(request)).rejects.toMatchObject({
      name: "TokenSourceError",
      code: "ERR_TOKEN_SOURCE_INVALID",
    });
    expect(server.tokenRequests).toHaveLength(1);
  });

  it.each([
    ["the same scope in another order", { scope: "write read" }, { scope: "read write" }],
    ["a narrower scope", { scope: "read" }, { scope: "read write" }],
    ["whatever scope when none was asked for", { scope: "read" }, {}],
    ["a JWT", { issued_token_type: JWT }, {}],
    ["the kind that was asked for", { issued_token_type: "urn:x" }, { requestedTokenType: "urn:x" }],
  ])("accepts %s", async (_, members, options) => {
    server.answer(exchanged(members));
    await expect(exchange(options).getToken(request)).resolves.toMatchObject({ value: "token-1" });
  });

  it("has a cached subject token replaced that the server refused, the next time", async () => {
    const subject = createScriptedSource();
    const clock = createManualClock();
    const source = exchange({ subjectToken: cachedTokens(subject, { clock }) });
    server.answer((hit) => (hit === 1 ? { status: 400, body: { error: "invalid_grant" } } : exchanged()));
    await expect(source.getToken(request)).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_REFUSED" });
    expect(subject.requests).toHaveLength(1);
    await source.getToken(request);
    expect(server.tokenRequests.map(({ parameters }) => parameters.get("subject_token"))).toEqual([
      "token-1",
      "token-2",
    ]);
  });

  it("gives the failure of the subject source, and sends nothing", async () => {
    const subject = createScriptedSource();
    subject.answer = () => {
      throw new TokenSourceError("ERR_TOKEN_SOURCE_REFUSED", "no");
    };
    const source = exchange({ subjectToken: subject });
    await expect(source.getToken(request)).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_REFUSED", message: "no" });
    subject.answer = () => ({ value: "", expiresAtMs: 9e15 });
    await expect(source.getToken(request)).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
    expect(server.tokenRequests).toHaveLength(0);
  });

  it("K11: ends with the caller's abort while the subject hangs", async () => {
    const subject = createScriptedSource();
    subject.answer = () => new Promise(() => {});
    const abort = new AbortController();
    const token = exchange({ subjectToken: subject }).getToken({ ...request, signal: abort.signal });
    abort.abort(new Error("enough"));
    await expect(token).rejects.toThrow("enough");
  });

  it("refuses options that it cannot use", () => {
    const refused = (changes: object) => () => exchange(changes as Partial<TokenExchangeOptions>);
    expect(refused({ subjectToken: undefined })).toThrow("subjectToken must be a token source, got undefined");
    expect(refused({ subjectToken: "abc" })).toThrow("subjectToken must be a token source, got string");
    expect(refused({ actorToken: null })).toThrow("actorToken must be a token source, got null");
    for (const field of ["subjectTokenType", "actorTokenType", "requestedTokenType", "clientId", "audience", "scope"]) {
      expect(refused({ [field]: "" })).toThrow(`${field} must not be empty`);
    }
    expect(refused({ audiences: "x" })).toThrow("options.audiences is not an option");
  });
});
