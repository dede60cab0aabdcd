import { inspect } from "node:util";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { bearerAuth, type ClientCredentialsOptions, clientCredentials, privateKeyJwt } from "../../src/client.js";
import { TokenSourceError } from "../../src/errors.js";
import { generateSigningKey } from "../../src/node.js";
import { createServerAuth, type ServerAuth } from "../../src/server.js";
import type { TokenSource } from "../../src/token/token.js";
import { createVerifier } from "../../src/verify.js";
import { createEchoService } from "../support/echo-service.js";
import { type RpcServer, startRpcServer } from "../support/rpc-server.js";
import { type OidcProviderServer, type RegisteredClient, startOidcProvider } from "./oidc-provider-server.js";

const RESOURCE = "https://jobs.example";
const ALGORITHMS = ["ES256", "RS256"] as const;
type Algorithm = (typeof ALGORITHMS)[number];

const clients = new Map<Algorithm, RegisteredClient>();
const echo = createEchoService();
let provider: OidcProviderServer;
let auth: ServerAuth;
let rpc: RpcServer;

beforeAll(async () => {
  for (const algorithm of ALGORITHMS) {
    const { key } = await generateSigningKey({ algorithm });
    clients.set(algorithm, { clientId: `client-${algorithm}`, key });
  }
  provider = await startOidcProvider([...clients.values()], RESOURCE);
  auth = createServerAuth({
    issuers: [{ issuer: provider.issuer, audience: RESOURCE, algorithms: ALGORITHMS, jwksUri: provider.jwksUri }],
    allowLoopbackHttp: true,
  });
  rpc = await startRpcServer("2", auth.protect({ routes: echo.routes }));
});

afterAll(async () => {
  await rpc?.[Symbol.asyncDispose]();
  await auth?.[Symbol.asyncDispose]();
  await provider?.[Symbol.asyncDispose]();
});

beforeEach(() => echo.reset());

function clientOf(algorithm: Algorithm): RegisteredClient {
  const client = clients.get(algorithm);
  if (client === undefined) throw new Error(`no client signs ${algorithm}`);
  return client;
}

function createSource(algorithm: Algorithm, options: Partial<ClientCredentialsOptions> = {}): TokenSource {
  const { clientId, key } = clientOf(algorithm);
  return clientCredentials({
    authorizationServer: provider.issuer,
    clientId,
    clientAuth: privateKeyJwt({ key }),
    resource: RESOURCE,
    scope: "jobs:read",
    ...options,
  });
}

function createEchoClient(source: TokenSource): Client<typeof EchoService> {
  const interceptors = [bearerAuth(source)];
  return createClient(EchoService, createConnectTransport({ baseUrl: rpc.url, httpVersion: "2", interceptors }));
}

async function obtain(source: TokenSource): Promise<string> {
  const request = { audience: RESOURCE, origin: RESOURCE, signal: AbortSignal.timeout(10_000) };
  return (await source.getToken(request)).value;
}

/** Requires a refusal that is told as one, after one request. */
async function expectRefusal(source: TokenSource, seen: { readonly error: string; readonly detail?: string }) {
  const before = provider.tokenRequests.length;
  const error = await obtain(source).catch((refusal: unknown) => refusal);
  expect(error).toBeInstanceOf(TokenSourceError);
  expect(error).toMatchObject({ code: "ERR_TOKEN_SOURCE_REFUSED" });
  expect(provider.tokenRequests.slice(before)).toEqual([expect.objectContaining(seen)]);
  expectSilent(error);
}

/** Requires that an error repeats nothing of what the server wrote in its last answer, down to its deepest cause. */
function expectSilent(error: unknown): void {
  const { description } = provider.tokenRequests.at(-1) ?? {};
  expect(description).toMatch(/\w+ \w+/);
  expect(inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toContain(description);
}

describe.each(ALGORITHMS)("client credentials with private_key_jwt, %s", (algorithm) => {
  it("get a token that a verifier accepts by the server's published keys", async () => {
    const token = await obtain(createSource(algorithm));
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: algorithm, typ: "at+jwt" });
    const { issuer, jwksUri } = provider;
    await using verifier = createVerifier({
      issuers: [{ issuer, audience: RESOURCE, algorithms: [algorithm], jwksUri }],
      allowLoopbackHttp: true,
    });
    const principal = await verifier.verify(token);
    expect(principal).toMatchObject({ subject: `client-${algorithm}`, issuer, audience: [RESOURCE], org: "acme" });
    expect([...principal.scopes]).toEqual(["jobs:read"]);
    expect(principal.expiresAtMs).toBe((decodeJwt(token).exp ?? 0) * 1_000);
  });

  it("open every call of a Connect client with one token", async () => {
    const before = provider.tokenRequests.length;
    const client = createEchoClient(createSource(algorithm));
    expect((await client.unary({ orgId: "acme", text: "hi" })).subject).toBe(`client-${algorithm}`);
    const subjects: string[] = [];
    for await (const { subject } of client.serverStream({ orgId: "acme", text: "hi", count: 2 }))
      subjects.push(subject);
    expect(subjects).toEqual([`client-${algorithm}`, `client-${algorithm}`]);
    expect(provider.tokenRequests.slice(before)).toEqual([{}]);
  });

  it("are refused when the key is another one of the same name", async () => {
    const { clientId, key } = clientOf(algorithm);
    const other = await generateSigningKey({ algorithm });
    const clientAuth = privateKeyJwt({ key: { ...other.key, kid: key.kid } });
    await expectRefusal(createSource(algorithm, { clientId, clientAuth }), { error: "invalid_client" });
  });

  it("are refused when the assertion is for another server", async () => {
    const { tokenEndpoint } = provider;
    const authorizationServer = { issuer: "https://other.example", tokenEndpoint };
    await expectRefusal(createSource(algorithm, { authorizationServer }), {
      error: "invalid_client",
      detail: "audience (aud) must equal the endpoint url, issuer identifier or token endpoint url",
    });
  });

  it("are refused when somebody sends their assertion again", async () => {
    let seen: string | undefined;
    const fetchAgain: typeof fetch = async (input, init) => {
      if (!String(input).endsWith("/token")) return fetch(input, init);
      seen ??= String(init?.body);
      return fetch(input, { ...init, body: seen });
    };
    const source = createSource(algorithm, { fetch: fetchAgain });
    await obtain(source);
    await expectRefusal(source, {
      error: "invalid_client",
      detail: "client assertion tokens must only be used once",
    });
  });

  it("bring a fresh assertion each time", async () => {
    const source = createSource(algorithm);
    expect(await obtain(source)).not.toBe(await obtain(source));
  });
});

describe("the metadata of the server", () => {
  it.each([
    { discovery: "oidc", path: "/.well-known/openid-configuration" },
    { discovery: "oauth2", path: "/.well-known/oauth-authorization-server" },
  ] as const)("is found by the rules of $discovery", async ({ discovery, path }) => {
    const before = provider.paths.length;
    const authorizationServer = { issuer: provider.issuer, discovery };
    await obtain(createSource("ES256", { authorizationServer }));
    expect(provider.paths.slice(before)).toEqual([path, "/token"]);
  });

  it("is looked for where RFC 8414 puts it, then where OpenID Connect does", async () => {
    await using tenant = await startOidcProvider([...clients.values()], RESOURCE, "/tenant");
    await obtain(createSource("ES256", { authorizationServer: tenant.issuer }));
    expect(tenant.paths).toEqual([
      "/.well-known/oauth-authorization-server/tenant",
      "/tenant/.well-known/openid-configuration",
      "/tenant/token",
    ]);
    expect(tenant.tokenRequests).toEqual([{}]);
  });

  it("is not asked for when the token endpoint is known", async () => {
    const before = provider.paths.length;
    const { issuer, tokenEndpoint } = provider;
    await obtain(createSource("ES256", { authorizationServer: { issuer, tokenEndpoint } }));
    expect(provider.paths.slice(before)).toEqual(["/token"]);
  });
});

describe("discovery by a verifier", () => {
  it.each(["", "/tenant"])("finds the keys of a server that is mounted on %j", async (path) => {
    await using server = await startOidcProvider([...clients.values()], RESOURCE, path);
    const { issuer } = server;
    const token = await obtain(createSource("ES256", { authorizationServer: issuer }));
    const before = server.paths.length;
    await using verifier = createVerifier({
      issuers: [{ issuer, audience: RESOURCE, algorithms: ["ES256"], discovery: true }],
      allowLoopbackHttp: true,
    });
    expect(await verifier.verify(token)).toMatchObject({ subject: "client-ES256", issuer, org: "acme" });
    expect(server.paths.slice(before)).toEqual([`${path}/.well-known/openid-configuration`, `${path}/jwks`]);
  });

  it("takes nothing from a server that calls itself something else", async () => {
    const issuer = `${provider.issuer}/`;
    await using verifier = createVerifier({
      issuers: [{ issuer, audience: RESOURCE, algorithms: ["ES256"], discovery: true }],
      allowLoopbackHttp: true,
    });
    const token = await obtain(createSource("ES256"));
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: "ERR_TOKEN_ISSUER" });
    const [header, , signature] = token.split(".");
    const payload = Buffer.from(JSON.stringify({ ...decodeJwt(token), iss: issuer })).toString("base64url");
    await expect(verifier.verify(`${header}.${payload}.${signature}`)).rejects.toMatchObject({
      code: "ERR_KEYS_INVALID",
    });
  });
});

describe("the token endpoint", () => {
  it("accepts an assertion for its URL, as older servers want", async () => {
    const { issuer, tokenEndpoint } = provider;
    const authorizationServer = { issuer, tokenEndpoint };
    const clientAuth = privateKeyJwt({ key: clientOf("ES256").key, audience: "token_endpoint" });
    const token = await obtain(createSource("ES256", { authorizationServer, clientAuth }));
    expect(decodeJwt(token)).toMatchObject({ sub: "client-ES256" });
  });

  it("refuses a resource that it does not have and a scope that is not the client's", async () => {
    await expectRefusal(createSource("ES256", { resource: "https://other.example" }), { error: "invalid_target" });
    await expectRefusal(createSource("ES256", { scope: "jobs:write" }), { error: "invalid_scope" });
  });

  it("ends a call as unauthenticated when it refuses its client", async () => {
    const client = createEchoClient(createSource("ES256", { clientId: "client-unknown" }));
    const error = await client.unary({ orgId: "acme", text: "hi" }).catch((refusal: unknown) => refusal);
    expect(error).toBeInstanceOf(ConnectError);
    expect(error).toMatchObject({ code: Code.Unauthenticated });
    expectSilent(error);
    expect(echo.calls()).toBe(0);
  });
});
