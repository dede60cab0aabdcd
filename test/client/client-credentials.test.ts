import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { importJWK, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { bearerAuth } from "../../src/client/bearer-auth.js";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { type ClientCredentialsOptions, clientCredentials } from "../../src/client/client-credentials.js";
import { privateKeyJwt } from "../../src/client/private-key-jwt.js";
import { generateSigningKey } from "../../src/keys/signing-key.js";
import type { TokenRequest } from "../../src/token/token.js";
import {
  type ScriptedAuthorizationServer,
  startAuthorizationServer,
  tokenAnswer,
} from "../support/scripted-authorization-server.js";
import { createScriptedService, listen } from "../support/scripted-service.js";

const { key } = await generateSigningKey();
const clientAuth = privateKeyJwt({ key });

let server: ScriptedAuthorizationServer;
beforeEach(async () => {
  server = await startAuthorizationServer((hit) => tokenAnswer({ access_token: `token-${hit}` }));
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

const open = (options: Partial<ClientCredentialsOptions> = {}) =>
  clientCredentials({ authorizationServer: server.issuer, clientId: "report", clientAuth, ...options });

const request = (origin = "https://jobs.example"): TokenRequest => ({
  audience: origin,
  origin,
  signal: new AbortController().signal,
});

describe("clientCredentials()", () => {
  it("asks the discovered endpoint for a token with an assertion of the client", async () => {
    const token = await open({
      scope: "jobs",
      resource: "https://jobs.example/",
      headers: { "x-tenant": "acme" },
    }).getToken(request());
    expect(token).toMatchObject({ value: "token-1", expiresAtMs: expect.any(Number) });
    const { headers, parameters } = server.tokenRequests[0] ?? {};
    expect(headers?.["x-tenant"]).toBe("acme");
    expect(Object.fromEntries(parameters ?? [])).toEqual({
      grant_type: "client_credentials",
      scope: "jobs",
      resource: "https://jobs.example/",
      client_id: "report",
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: expect.any(String),
    });
    const assertion = parameters?.get("client_assertion") ?? "";
    const { payload } = await jwtVerify(assertion, await importJWK(key.publicJwk, "ES256"));
    expect(payload).toMatchObject({ iss: "report", sub: "report", aud: server.issuer });
  });

  it("gives calls their token, asked for once", async () => {
    const service = createScriptedService();
    await using listening = await listen(service);
    const client = createClient(
      EchoService,
      createConnectTransport({
        baseUrl: listening.origin,
        httpVersion: "2",
        interceptors: [bearerAuth(open({ scope: "jobs" }))],
      }),
    );
    await Promise.all([1, 2, 3, 4].map((text) => client.unary({ text: String(text) })));
    expect(service.calls.map(({ authorization }) => authorization)).toEqual(Array(4).fill("Bearer token-1"));
    expect(server.tokenRequests).toHaveLength(1);
  });

  it.each([
    [400, Code.Unauthenticated, 1],
    [401, Code.Unauthenticated, 1],
    [201, Code.Internal, 1],
  ])("K8: fails calls after status %i with code %i, and does not ask again at once", async (status, code, requests) => {
    server.answer({ status, body: { error: "invalid_client", error_description: "zQ7-what-the-server-said" } });
    const service = createScriptedService();
    await using listening = await listen(service);
    const transport = createConnectTransport({
      baseUrl: listening.origin,
      httpVersion: "2",
      interceptors: [bearerAuth(open())],
    });
    const client = createClient(EchoService, transport);
    for (let call = 0; call < 5; call++) {
      const error = await client.unary({ text: "a" }).catch((reason: unknown) => reason);
      if (!(error instanceof ConnectError)) throw new Error("expected a ConnectError", { cause: error });
      expect(error.code).toBe(code);
      expect(error.message).not.toContain("zQ7");
    }
    expect(server.tokenRequests).toHaveLength(requests);
    expect(service.calls).toHaveLength(0);
  });

  it("has one token per origin where something is derived from the call", async () => {
    const source = open({ audience: "ingest", scope: ({ origin }) => `ingest:${new URL(origin).hostname}` });
    expect(open({ audience: ({ origin }) => origin }).audienceBound).toBe(true);
    expect(source.audienceBound).toBeUndefined();
    const tokens = cachedTokens(source);
    const [eu, us] = ["https://eu.example", "https://us.example"];
    const values: string[] = [];
    for (const origin of [eu, us, eu, us]) values.push((await tokens.getToken(request(origin))).value);
    expect(values).toEqual(["token-1", "token-2", "token-1", "token-2"]);
    expect(server.tokenRequests.map(({ parameters }) => parameters.get("scope"))).toEqual([
      "ingest:eu.example",
      "ingest:us.example",
    ]);
  });

  it("has one token for all origins where nothing is, and is bound to the first", () => {
    const source = open({ scope: "jobs" });
    expect(source.audienceBound).toBeUndefined();
    expect(source.cacheKey?.(request("https://a.example"))).toBe(source.cacheKey?.(request("https://b.example")));
  });

  it("K3: refuses an endpoint over http on another host before anything is sent", () => {
    const urls: string[] = [];
    const fetch = async (url: string) => {
      urls.push(url);
      return new Response();
    };
    const authorizationServer = { issuer: server.issuer, tokenEndpoint: "http://tokens.example/token" };
    expect(() => open({ authorizationServer, fetch })).toThrow("authorizationServer.tokenEndpoint must be");
    expect(urls).toEqual([]);
  });

  it("K3: sends nothing to an endpoint over http that the metadata names", async () => {
    const urls: string[] = [];
    const fetch = (url: string, init: RequestInit) => {
      urls.push(new URL(url).origin);
      return globalThis.fetch(url, init);
    };
    const { issuer } = server;
    server.answerMetadata(() => ({ body: { issuer, token_endpoint: "http://tokens.example/token" } }));
    await expect(open({ fetch }).getToken(request())).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
    expect(urls).toEqual([issuer]);
  });

  it.each<[object, string]>([
    [{ clientId: undefined }, "clientId must be a string"],
    [{ clientAuth: undefined }, "clientAuth must be a client authentication such as privateKeyJwt(), got undefined"],
    [{ clientAuth: "secret" }, "clientAuth must be a client authentication such as privateKeyJwt(), got string"],
    [{ scope: "" }, "scope must not be empty"],
    [{ scopes: "a" }, "options.scopes is not an option"],
    [{ retries: -1 }, "retries must be 0 or a positive finite number"],
  ])("refuses %o", (options, message) => {
    expect(() => open(options)).toThrow(message);
  });
});
