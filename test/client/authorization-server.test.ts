import { describe, expect, it } from "vitest";
import { type AuthorizationServer, createServerLocator } from "../../src/client/authorization-server.js";
import { type OAuthOptions, readOAuthSettings } from "../../src/client/oauth-options.js";
import { startAuthorizationServer } from "../support/scripted-authorization-server.js";

const issuer = "https://issuer.example";
const locator = (authorizationServer: unknown, options: Partial<OAuthOptions> = {}) =>
  createServerLocator(
    readOAuthSettings({ authorizationServer: authorizationServer as AuthorizationServer, ...options }),
  );

describe("createServerLocator()", () => {
  it("gives the endpoint that is configured, and asks nobody", async () => {
    const tokenEndpoint = "https://tokens.example/token?tenant=a";
    const fetch = () => Promise.reject(new Error("nobody is to be asked"));
    const server = locator({ issuer, tokenEndpoint }, { fetch });
    expect(server).toMatchObject({ issuer, tokenEndpoint });
    expect(await server.locate(new AbortController().signal)).toBe(tokenEndpoint);
  });

  it.each([
    ["by an issuer alone", (found: string) => found, 1],
    ["by a kind of discovery", (found: string) => ({ issuer: found, discovery: "oidc" }), 1],
  ] as const)("discovers the endpoint %s", async (_, configure, requests) => {
    await using scripted = await startAuthorizationServer();
    const server = locator(configure(scripted.issuer));
    expect(server.tokenEndpoint).toBeUndefined();
    expect(await server.locate(new AbortController().signal)).toBe(scripted.tokenEndpoint);
    expect(scripted.metadataRequests).toHaveLength(requests);
  });

  const schemes = [
    "http://idp.example",
    "ws://idp.example",
    "wss://idp.example",
    "file:///idp",
    "data:,idp",
    "blob:https://idp.example/1",
  ];
  it.each(schemes)("I5: refuses %s for an issuer and for an endpoint", (url) => {
    expect(() => locator(url)).toThrow("authorizationServer.issuer must be an https: URL");
    expect(() => locator({ issuer, tokenEndpoint: url })).toThrow(
      "authorizationServer.tokenEndpoint must be an https: URL",
    );
  });

  it("I5: takes http: on this machine alone, and only where that is allowed", () => {
    for (const host of ["localhost", "127.0.0.1:8080", "[::1]:8080"]) {
      expect(locator(`http://${host}`).issuer).toBe(`http://${host}`);
      expect(() => locator(`http://${host}`, { allowLoopbackHttp: false })).toThrow("http: is not allowed");
    }
  });

  it.each<[unknown, string]>([
    ["", "authorizationServer.issuer must not be empty"],
    [undefined, "authorizationServer must be an issuer identifier or an object with one, got undefined"],
    [null, "authorizationServer must be an issuer identifier or an object with one, got null"],
    [[issuer], "authorizationServer must be an object, got array"],
    [{}, "authorizationServer.issuer must be a string"],
    ["issuer.example", "authorizationServer.issuer must be"],
    [`${issuer}?tenant=a`, "authorizationServer.issuer must be"],
    [`${issuer}#a`, "authorizationServer.issuer must be"],
    ["https://user:pass@issuer.example", "authorizationServer.issuer must be"],
    [" https://issuer.example", "authorizationServer.issuer must be"],
    [{ issuer, tokenEndpoint: "" }, "authorizationServer.tokenEndpoint must not be empty"],
    [{ issuer, discovery: "saml" }, 'authorizationServer.discovery must be "oauth2" or "oidc"'],
    [{ issuer, tokenEndpoint: issuer, discovery: "oidc" }, "must not have both"],
    [{ issuer, tokenEndPoint: issuer }, "authorizationServer.tokenEndPoint is not an option"],
  ])("refuses %o", (given, message) => {
    expect(() => locator(given)).toThrow(TypeError);
    expect(() => locator(given)).toThrow(message);
  });
});
