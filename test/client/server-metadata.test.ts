import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OAuthOptions, readOAuthSettings } from "../../src/client/oauth-options.js";
import { createServerMetadata, type DiscoveryKind, type ServerMetadata } from "../../src/client/server-metadata.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import {
  type ScriptedAuthorizationServer,
  startAuthorizationServer,
} from "../support/scripted-authorization-server.js";
import { createSkippingClock } from "../support/skipping-clock.js";

const HOUR_MS = 60 * 60 * 1_000;
const MARKER = "zQ7-what-the-server-said";
const never = new Promise<never>(() => {});

let server: ScriptedAuthorizationServer;
beforeEach(async () => {
  server = await startAuthorizationServer();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

interface Changes extends Partial<OAuthOptions> {
  readonly issuer?: string;
  readonly discovery?: DiscoveryKind;
}

function open({ issuer = server.issuer, discovery, ...options }: Changes = {}): ServerMetadata {
  const clock = createSkippingClock([5_000, 15_000]);
  return createServerMetadata(issuer, discovery, readOAuthSettings({ authorizationServer: issuer, clock, ...options }));
}

function locate(metadata: ServerMetadata, signal = new AbortController().signal): Promise<string> {
  return metadata.getTokenEndpoint(signal);
}

describe("createServerMetadata()", () => {
  it("asks when it is first needed, once for all who wait, and keeps the answer", async () => {
    const metadata = open();
    expect(server.metadataRequests).toEqual([]);
    const found = await Promise.all([1, 2, 3].map(() => locate(metadata)));
    expect(found).toEqual([server.tokenEndpoint, server.tokenEndpoint, server.tokenEndpoint]);
    await locate(metadata);
    expect(server.metadataRequests).toEqual(["/.well-known/oauth-authorization-server"]);
  });

  it("puts the well-known part where each standard has it", async () => {
    const issuer = `${server.issuer}/tenant`;
    server.answerMetadata(() => ({ body: { issuer, token_endpoint: server.tokenEndpoint } }));
    await locate(open({ issuer, discovery: "oauth2" }));
    await locate(open({ issuer, discovery: "oidc" }));
    expect(server.metadataRequests).toEqual([
      "/.well-known/oauth-authorization-server/tenant",
      "/tenant/.well-known/openid-configuration",
    ]);
  });

  it("falls back to OpenID Connect where the other document is not given", async () => {
    const { issuer, tokenEndpoint } = server;
    server.answerMetadata((path) =>
      path.endsWith("openid-configuration") ? { body: { issuer, token_endpoint: tokenEndpoint } } : { status: 404 },
    );
    expect(await locate(open())).toBe(tokenEndpoint);
    await expect(locate(open({ discovery: "oauth2" }))).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
  });

  it("serves on while it is replaced in the background, for a day at most", async () => {
    const clock = createManualClock();
    const metadata = open({ clock });
    await locate(metadata);
    const moved = `${server.issuer}/moved`;
    server.answerMetadata(() => ({ body: { issuer: server.issuer, token_endpoint: moved } }));
    await clock.advance(HOUR_MS - 1);
    expect(await locate(metadata)).toBe(server.tokenEndpoint);
    expect(server.metadataRequests).toHaveLength(1);
    await clock.advance(1);
    expect(await Promise.all([locate(metadata), locate(metadata)])).toEqual([
      server.tokenEndpoint,
      server.tokenEndpoint,
    ]);
    await expect.poll(() => locate(metadata)).toBe(moved);
    expect(server.metadataRequests).toHaveLength(2);

    server.answerMetadata(() => ({ status: 404 }));
    await clock.advance(24 * HOUR_MS - 1);
    expect(await locate(metadata)).toBe(moved);
    await expect.poll(() => server.metadataRequests.length).toBe(4);
    await clock.advance(5_000);
    await expect(locate(metadata)).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
  });

  it("leaves a server alone for 5 seconds after a failure, and then asks again", async () => {
    server.answerMetadata(() => ({ status: 500 }));
    const clock = createSkippingClock([5_000, 15_000]);
    const metadata = open({ clock });
    await expect(locate(metadata)).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_UNAVAILABLE" });
    expect(server.metadataRequests).toHaveLength(3);
    const { issuer, tokenEndpoint } = server;
    server.answerMetadata(() => ({ body: { issuer, token_endpoint: tokenEndpoint } }));
    await clock.manual.advance(4_999);
    await expect(locate(metadata)).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_UNAVAILABLE" });
    expect(server.metadataRequests).toHaveLength(3);
    await clock.manual.advance(1);
    expect(await locate(metadata)).toBe(tokenEndpoint);
  });

  it("leaves it alone for as long as it asks, a minute at most", async () => {
    server.answerMetadata(() => ({ status: 503, headers: { "retry-after": "3600" } }));
    const clock = createManualClock();
    const metadata = open({ clock });
    await expect(locate(metadata)).rejects.toMatchObject({ retryAfterMs: 3_600_000 });
    await clock.advance(59_999);
    await expect(locate(metadata)).rejects.toMatchObject({ retryAfterMs: 3_600_000 });
    expect(server.metadataRequests).toHaveLength(1);
    await clock.advance(1);
    await expect(locate(metadata)).rejects.toMatchObject({ retryAfterMs: 3_600_000 });
    expect(server.metadataRequests).toHaveLength(2);
  });

  it("lets one caller go without ending the request of the others", async () => {
    const gate = Promise.withResolvers<void>();
    const { issuer, tokenEndpoint } = server;
    server.answerMetadata(() => ({ after: gate.promise, body: { issuer, token_endpoint: tokenEndpoint } }));
    const metadata = open({ clock: createManualClock() });
    const first = new AbortController();
    const gone = locate(metadata, first.signal);
    const other = locate(metadata);
    await server.reachedMetadata(1);
    first.abort();
    await expect(gone).rejects.toBe(first.signal.reason);
    gate.resolve();
    expect(await other).toBe(tokenEndpoint);
    expect(server.metadataRequests).toHaveLength(1);
  });

  it("gives up on a server that does not answer, and leaves no timer", async () => {
    server.answerMetadata(() => ({ after: never }));
    const clock = createManualClock();
    const asked = locate(open({ clock, attemptTimeoutMs: 60_000 }));
    asked.catch(() => {});
    await server.reachedMetadata(1);
    await clock.advance(15_000);
    await expect(asked).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_UNAVAILABLE" });
    await server.reachedAborts(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each<[string, (issuer: string) => object]>([
    ["another issuer", () => ({ issuer: "https://evil.example" })],
    ["the issuer with a slash", (issuer) => ({ issuer: `${issuer}/` })],
    ["the issuer in another case", (issuer) => ({ issuer: issuer.toUpperCase() })],
    ["no issuer", () => ({ issuer: undefined })],
    ["a list of issuers", (issuer) => ({ issuer: [issuer] })],
    ["no token endpoint", () => ({ token_endpoint: undefined })],
    ["a token endpoint that is no URL", () => ({ token_endpoint: MARKER })],
    ["a token endpoint with a user", () => ({ token_endpoint: `https://issuer.example@${MARKER}.example/` })],
    ["a token endpoint with a line break", () => ({ token_endpoint: `https://issuer\n.example/${MARKER}` })],
  ])("refuses a document with %s, without its text", async (_, change) => {
    const { issuer, tokenEndpoint } = server;
    server.answerMetadata(() => ({ body: { issuer, token_endpoint: tokenEndpoint, ...change(issuer) } }));
    const error = await locate(open()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
    expect(inspect(error, { depth: 20 })).not.toContain(MARKER);
    expect(server.metadataRequests).toHaveLength(1);
  });

  it.each([
    "http://token.example/",
    "http://192.0.2.1/token",
    "http://127.0.0.1.example/",
    "ws://127.0.0.1/",
    "file:///etc/passwd",
    "data:application/json,{}",
  ])("K3: gives no token endpoint at %s", async (tokenEndpoint) => {
    const { issuer } = server;
    server.answerMetadata(() => ({ body: { issuer, token_endpoint: tokenEndpoint } }));
    await expect(locate(open())).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
  });

  it("K3: lets a server elsewhere send nothing to this machine over http", async () => {
    const issuer = "https://issuer.example";
    const answer = (endpoint: string) => async () => Response.json({ issuer, token_endpoint: endpoint });
    const fetch = answer("http://127.0.0.1:8080/token");
    await expect(locate(open({ issuer, fetch }))).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_INVALID" });
    const elsewhere = "https://tokens.example/token";
    expect(await locate(open({ issuer, fetch: answer(elsewhere) }))).toBe(elsewhere);
  });

  it("counts discoveries by outcome", async () => {
    const counted: unknown[] = [];
    const telemetry = { count: (...measurement: unknown[]) => void counted.push(measurement), record() {} };
    await locate(open({ telemetry }));
    expect(counted).toEqual([["latchkey.client.discoveries", { outcome: "ok" }]]);
  });
});
