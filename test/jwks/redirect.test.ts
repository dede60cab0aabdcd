import { describe, expect, it } from "vitest";
import { parseAllowedDomains } from "../../src/jwks/allowed-domains.js";
import { isRedirect, parseRedirect } from "../../src/jwks/redirect.js";
import type { UrlRules } from "../../src/jwks/url.js";

const FROM = "https://idp.example/a/jwks.json?set=1";
const anywhere: UrlRules = { allowLoopbackHttp: false, allowedDomains: undefined };

function follow(location: string | undefined, rules = anywhere, from = FROM): string {
  const headers = new Headers(location === undefined ? {} : { location });
  return parseRedirect(new Response(null, { status: 302, headers }), from, rules);
}

describe("isRedirect()", () => {
  it.each([301, 302, 303, 307, 308])("says so of status %i", (status) => {
    expect(isRedirect(new Response(null, { status }))).toBe(true);
  });

  it.each([200, 300, 304, 305, 404])("does not say so of status %i", (status) => {
    expect(isRedirect(new Response(null, { status }))).toBe(false);
  });
});

describe("parseRedirect()", () => {
  it.each([
    ["/keys", "https://idp.example/keys"],
    ["keys", "https://idp.example/a/keys"],
    ["?set=2", "https://idp.example/a/jwks.json?set=2"],
    ["https://idp.example/keys", "https://idp.example/keys"],
    ["https://IDP.example:443/keys", "https://idp.example/keys"],
    ["//idp.example/keys", "https://idp.example/keys"],
  ])("gives where %s leads", (location, expected) => {
    expect(follow(location)).toBe(expected);
  });

  it.each([
    undefined,
    "",
    "https://evil.example/keys",
    "//evil.example/keys",
    "/\\evil.example/keys",
    "\\\\evil.example/keys",
    "http://idp.example/keys",
    "https://idp.example:8443/keys",
    "https://keys.idp.example/keys",
    "https://idp.example./keys",
    "https://idp.example@evil.example/keys",
    "https://user@idp.example/keys",
    "https:\\\\idp.example/keys",
    "https:/keys",
    "https://idp%2eexample/keys",
    "/keys#fragment",
    "data:application/json,{}",
    "file:///etc/passwd",
    "https://",
  ])("H9: refuses %s", (location) => {
    expect(() => follow(location)).toThrow(
      expect.objectContaining({ name: "KeysUnavailableError", code: "ERR_KEYS_INVALID" }),
    );
  });

  it("H9: holds each target to the rules of the URL", () => {
    const rules: UrlRules = { ...anywhere, allowedDomains: parseAllowedDomains(["other.example"], "list") };
    expect(() => follow("/keys", rules)).toThrow("redirected to another place");
    const local = "http://127.0.0.1:8080/jwks.json";
    expect(() => follow("/keys", anywhere, local)).toThrow("redirected to another place");
    expect(follow("/keys", { ...anywhere, allowLoopbackHttp: true }, local)).toBe("http://127.0.0.1:8080/keys");
  });

  it("shows nothing of the target in the error", () => {
    expect(() => follow("https://evil.example/top-secret")).toThrow(/^(?!.*(evil|secret))/);
  });
});
