import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type JwksOptions, resolveJwksOptions, toUrlRules } from "../../src/jwks/jwks-options.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { readJwksUri } from "../../src/verify/read-jwks-uri.js";
import { type DiscoveryServer, startDiscoveryServer } from "../support/discovery-server.js";
import type { JwksAnswer } from "../support/jwks-server.js";
import { createSkippingClock } from "../support/skipping-clock.js";

const OIDC = "/.well-known/openid-configuration";
const OAUTH = "/.well-known/oauth-authorization-server";
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };
const INVALID = { name: "KeysUnavailableError", code: "ERR_KEYS_INVALID" };

describe("readJwksUri()", () => {
  let server: DiscoveryServer;
  let clock: ManualClock;
  beforeEach(async () => {
    server = await startDiscoveryServer();
    clock = createManualClock();
  });
  afterEach(() => server[Symbol.asyncDispose]());

  function read(
    issuer = server.origin,
    options: JwksOptions = {},
    signal = new AbortController().signal,
  ): Promise<string> {
    const settings = resolveJwksOptions({ allowLoopbackHttp: true, retries: 0, clock, ...options }, "options");
    return readJwksUri({ issuer, rules: toUrlRules(settings, "options") }, settings, signal);
  }

  /** A document that is good but for what is changed; a member that becomes undefined is left out. */
  const document = (changes: Readonly<Record<string, unknown>> = {}): JwksAnswer => ({
    body: { issuer: server.origin, jwks_uri: `${server.origin}/keys`, ...changes },
  });

  it("takes the URL from the document of OpenID Connect, and asks for nothing else", async () => {
    server.answer(OIDC, document());
    server.answer(OAUTH, document({ jwks_uri: `${server.origin}/other` }));
    expect(await read()).toBe(`${server.origin}/keys`);
    expect(server.paths).toEqual([OIDC]);
    expect(server.server.requests[0]?.headers).toMatchObject({ accept: "application/json" });
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([400, 401, 403, 404, 405, 410])("asks by RFC 8414 when the first place answers %i", async (status) => {
    server.answer(OIDC, { status });
    server.answer(OAUTH, document());
    expect(await read()).toBe(`${server.origin}/keys`);
    expect(server.paths).toEqual([OIDC, OAUTH]);
  });

  it("keeps the path of the issuer where each standard has it", async () => {
    const issuer = `${server.origin}/tenant/`;
    server.answer(`${OAUTH}/tenant`, document({ issuer }));
    expect(await read(issuer)).toBe(`${server.origin}/keys`);
    expect(server.paths).toEqual([`/tenant${OIDC}`, `${OAUTH}/tenant`]);
  });

  it("says that there is no document when there is none at either place", async () => {
    await expect(read()).rejects.toMatchObject(INVALID);
    expect(server.paths).toEqual([OIDC, OAUTH]);
  });

  it.each([
    ["a slash at the end", (issuer: string) => `${issuer}/`],
    ["upper case", (issuer: string) => issuer.toUpperCase()],
    ["https", (issuer: string) => issuer.replace("http:", "https:")],
    ["no port", (issuer: string) => issuer.replace(/:\d+$/, "")],
    ["a path", (issuer: string) => `${issuer}/a`],
    ["a space at the end", (issuer: string) => `${issuer} `],
    ["another spelling of the host", (issuer: string) => issuer.replace("127.0.0.1", "127.1")],
    ["a user name", (issuer: string) => issuer.replace("//", "//a@")],
    ["a list", (issuer: string) => [issuer]],
    ["null", () => null],
    ["nothing", () => undefined],
    ["something else altogether", () => "https://evil.example"],
  ])("E2: refuses the document of an issuer with %s, and asks for no other", async (_name, change) => {
    server.answer(OIDC, document({ issuer: change(server.origin) }));
    server.answer(OAUTH, document());
    await expect(read()).rejects.toMatchObject(INVALID);
    expect(server.paths).toEqual([OIDC]);
  });

  it("E2: holds the document at the second place against the same issuer", async () => {
    server.answer(OAUTH, document({ issuer: `${server.origin}/` }));
    await expect(read()).rejects.toMatchObject(INVALID);
  });

  it("B10: refuses a document with two issuers, of which the last one counts elsewhere", async () => {
    const other = JSON.stringify({ issuer: "https://evil.example", jwks_uri: `${server.origin}/keys` });
    server.answer(OIDC, { body: `${other.slice(0, -1)},"issuer":"${server.origin}"}` });
    await expect(read()).rejects.toMatchObject(INVALID);
  });

  it.each([
    ["no URL", undefined],
    ["a number", 1],
    ["a list", ["https://idp.example/keys"]],
    ["a relative URL", "/keys"],
    ["another scheme", "ftp://idp.example/keys"],
    ["data", 'data:application/json,{"keys":[]}'],
    ["plaintext", "http://idp.example/keys"],
    ["a user name", "https://idp.example@evil.example/keys"],
    ["a fragment", "https://idp.example/keys#a"],
    ["a host in another spelling", "https://0x7f.1/keys"],
    ["white space", "https://idp.example/keys "],
  ])("H10: refuses %s in the place of a URL", async (_name, jwks_uri) => {
    server.answer(OIDC, document({ jwks_uri }));
    await expect(read()).rejects.toMatchObject(INVALID);
  });

  it("E7: keeps to the allowed domains, whatever the metadata says", async () => {
    server.answer(OIDC, document({ jwks_uri: "https://keys.idp.example/jwks.json" }));
    const { host } = new URL(server.origin);
    await expect(read(server.origin, { allowedDomains: [host] })).rejects.toMatchObject(INVALID);
    const allowedDomains = [host, "idp.example"];
    expect(await read(server.origin, { allowedDomains })).toBe("https://keys.idp.example/jwks.json");
  });

  it("I5: takes loopback http from an issuer on this machine alone, allowed or not", async () => {
    const issuer = "https://idp.example";
    const fetch = async (): Promise<Response> => Response.json({ issuer, jwks_uri: "http://127.0.0.1:1/admin" });
    await expect(read(issuer, { fetch })).rejects.toMatchObject(INVALID);
  });

  it.each([301, 302, 303, 307, 308])("H9: follows no redirect with status %i", async (status) => {
    server.answer(OIDC, { status, headers: { location: `${server.origin}/elsewhere` } });
    server.answer("/elsewhere", document());
    await expect(read(server.origin, { maxRedirects: 5 })).rejects.toMatchObject(INVALID);
    expect(server.paths).toEqual([OIDC]);
  });

  it.each([
    ["a web page", { headers: { "content-type": "text/html" }, body: "<html></html>" }],
    ["truncated JSON", { body: "{" }],
    ["a list", { body: [] }],
    ["null", { body: "null" }],
    ["a mark of byte order", { body: '\ufeff{"issuer":""}' }],
    ["status 204", { status: 204 }],
    ["status 304", { status: 304 }],
    ["more than the cap", { body: { padding: "x".repeat(2_000) } }],
  ])("H13: refuses %s as no document, and asks for no other", async (_name, answer) => {
    server.answer(OIDC, answer);
    server.answer(OAUTH, document());
    await expect(read(server.origin, { maxBodyBytes: 1_000 })).rejects.toMatchObject(INVALID);
    expect(server.paths).toEqual([OIDC]);
  });

  it.each([408, 429, 500, 503])(
    "H6: calls status %i a failure that may pass, and asks for no other",
    async (status) => {
      server.answer(OIDC, { status, headers: { "retry-after": "7" } });
      server.answer(OAUTH, document());
      await expect(read()).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 7_000 });
      expect(server.paths).toEqual([OIDC]);
    },
  );

  it("H6: repeats what may pass, and nothing else", async () => {
    const options = { retries: 2, clock: createSkippingClock([3_000, 8_000]) };
    server.answer(OIDC, { reset: true });
    await expect(read(server.origin, options)).rejects.toMatchObject(UNAVAILABLE);
    expect(server.paths).toEqual([OIDC, OIDC, OIDC]);
    server.answer(OIDC, document({ issuer: "https://evil.example" }));
    await expect(read(server.origin, options)).rejects.toMatchObject(INVALID);
    expect(server.paths).toHaveLength(4);
  });

  it("H11: gives up on an answer that does not come in time", async () => {
    server.answer(OIDC, { body: drip() });
    const reading = read();
    const refused = expect(reading).rejects.toMatchObject(UNAVAILABLE);
    await server.server.reached(1);
    await clock.advance(3_000);
    await refused;
    await server.server.reachedAborts(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it("ends with the reason of the signal", async () => {
    server.answer(OIDC, { after: new Promise(() => {}) });
    const leaving = new AbortController();
    const refused = expect(read(server.origin, {}, leaving.signal)).rejects.toThrow("gone");
    await server.server.reached(1);
    leaving.abort(new Error("gone"));
    await refused;
  });
});

async function* drip(): AsyncGenerator<string> {
  yield "{";
  await new Promise(() => {});
}
