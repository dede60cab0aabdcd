import { Code, cors } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { JWK } from "jose";
import type { Browser, Page as Tab } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type CorsHeaders, corsHeaders } from "../../src/client.js";
import { createServerAuth, type ServerAuth } from "../../src/server.js";
import { createEchoService } from "../support/echo-service.js";
import { type CorsLog, permitOrigin } from "./cors.js";
import { launchChromium } from "./launch-chromium.js";
import type { PageAnswer, PageCall } from "./page.js";
import { type OriginServer, startOriginServer, startPageServer } from "./page-server.js";

const CALLS = [
  { protocol: "connect", kind: "unary" },
  { protocol: "connect", kind: "serverStream" },
  { protocol: "grpc-web", kind: "unary" },
  { protocol: "grpc-web", kind: "serverStream" },
] as const;
const ELSEWHERE = "https://other.example";

const echo = createEchoService();
const log: CorsLog = { preflights: [], requests: 0 };
let rules: CorsHeaders = corsHeaders;
let publicJwk: JWK;
let browser: Browser;
let tab: Tab;
let pages: OriginServer;
let service: OriginServer;
let auth: ServerAuth;

beforeAll(async () => {
  // Before anything listens: without a browser, that is all there is to say.
  browser = await launchChromium();
  service = await startOriginServer();
  pages = await startPageServer(service.origin);
  auth = createServerAuth({
    issuers: [
      {
        issuer: "browser",
        audience: service.origin,
        algorithms: ["ES256"],
        findKey: async (kid) => (kid === publicJwk.kid ? { key: publicJwk } : undefined),
      },
    ],
    realm: "echo",
  });
  const handler = connectNodeAdapter(auth.protect({ routes: echo.routes }));
  service.listen(permitOrigin(pages.origin, () => rules, handler, log));
  tab = await browser.newPage();
  await tab.goto(pages.origin);
  publicJwk = await tab.evaluate(() => globalThis.page.createKey());
});

afterAll(async () => {
  await browser?.close();
  await pages?.[Symbol.asyncDispose]();
  await service?.[Symbol.asyncDispose]();
  await auth?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  echo.reset();
  log.preflights.length = 0;
  log.requests = 0;
  rules = corsHeaders;
});

function call(options: Omit<PageCall, "baseUrl">): Promise<PageAnswer> {
  return tab.evaluate((wanted: PageCall) => globalThis.page.call(wanted), { baseUrl: service.origin, ...options });
}

describe("bearerAuth() in a browser", () => {
  it("signs with a key that cannot leave it", async () => {
    expect(publicJwk).toMatchObject({ kty: "EC", crv: "P-256", alg: "ES256", use: "sig" });
    expect(publicJwk).not.toHaveProperty("d");
    expect(await tab.evaluate(() => globalThis.page.exportKey())).toBe("InvalidAccessError");
  });

  it.each(CALLS)("makes an authenticated $kind call to another origin over $protocol", async (options) => {
    const answer = await call(options);
    const expected = options.kind === "unary" ? [publicJwk.kid] : [publicJwk.kid, publicJwk.kid, publicJwk.kid];
    expect(answer).toEqual({ subjects: expected });
    expect(log.preflights).toEqual([expect.arrayContaining(["authorization"])]);
    expect([log.requests, echo.calls()]).toEqual([1, 1]);
  });

  it.each(CALLS)("reads why a $kind call over $protocol is refused, and tries another token", async (options) => {
    const { subjects, failure } = await call({ ...options, audience: ELSEWHERE });
    expect(subjects).toEqual([]);
    expect(failure).toMatchObject({
      code: Code.Unauthenticated,
      challenge: 'Bearer realm="echo", error="invalid_token"',
      explained: { reason: "TOKEN_REJECTED" },
    });
    expect([log.requests, echo.calls()]).toEqual([2, 0]);
  });

  it("keeps its key in the browser's database when the page is loaded again", async () => {
    await tab.reload();
    expect(await call(CALLS[0])).toEqual({ subjects: [publicJwk.kid] });
  });

  it("sends nothing where the authorization header is not allowed", async () => {
    rules = { ...corsHeaders, allowedHeaders: cors.allowedHeaders };
    const { subjects, failure } = await call(CALLS[0]);
    expect([subjects, failure?.challenge]).toEqual([[], null]);
    expect(log.preflights).toEqual([expect.arrayContaining(["authorization"])]);
    expect(log.requests).toBe(0);
  });

  it("cannot tell a refusal before the handler where the challenge is not exposed", async () => {
    rules = { ...corsHeaders, exposedHeaders: cors.exposedHeaders };
    const { failure } = await call({ ...CALLS[0], audience: ELSEWHERE });
    expect(failure).toMatchObject({ code: Code.Unauthenticated, challenge: null });
    expect(log.requests).toBe(1);
  });
});
