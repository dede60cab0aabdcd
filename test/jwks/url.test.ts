import { describe, expect, it } from "vitest";
import { parseAllowedDomains } from "../../src/jwks/allowed-domains.js";
import { createJwks } from "../../src/jwks/jwks.js";
import { parseJwksUrl, type UrlRules } from "../../src/jwks/url.js";

const strict: UrlRules = { allowLoopbackHttp: false, allowedDomains: undefined };
const development: UrlRules = { ...strict, allowLoopbackHttp: true };

describe("parseJwksUrl()", () => {
  it("gives the normal form of an https URL", () => {
    expect(parseJwksUrl("HTTPS://IDP.example:443/a/../jwks.json", strict, "url")).toBe("https://idp.example/jwks.json");
    expect(parseJwksUrl(new URL("https://idp.example/jwks"), strict, "url")).toBe("https://idp.example/jwks");
  });

  it.each([
    "https://idp.example",
    "https://idp.example?set=1",
    "https://idp.example:8443/jwks",
    "https://bücher.example/jwks",
    "https://BÜCHER.example/jwks",
    "https://xn--bcher-kva.example/jwks",
    "https://例え.テスト/jwks",
    "https://idp.example./jwks",
    "https://192.0.2.1/jwks",
    "https://[2001:db8::1]:8443/jwks",
    "https://[2001:DB8::1]/jwks",
    "https://idp.example/a%20b/jwks?x=%5C",
    "https://idp.example/@tenant/jwks:set",
    "https://my_idp-1.example/jwks",
  ])("takes %s", (url) => {
    expect(parseJwksUrl(url, strict, "url")).toBe(new URL(url).href);
  });

  it.each([
    "http://idp.example/jwks",
    "ws://idp.example/jwks",
    "wss://idp.example/jwks",
    "file:///etc/jwks.json",
    "data:application/json,{}",
    "blob:https://idp.example/1",
    "javascript:1",
    "/jwks.json",
    "idp.example/jwks",
    "",
    "http://127.0.0.1/jwks",
    "http://localhost/jwks",
  ])("I5: refuses %s", (url) => {
    expect(() => parseJwksUrl(url, strict, "url")).toThrow(TypeError);
    expect(() => createJwks(url)).toThrow(/^url must be/);
  });

  it.each([
    ["a user name that reads like the host", "https://idp.example@evil.example/jwks"],
    ["a password", "https://:secret@evil.example/jwks"],
    ["an empty user name", "https://@evil.example/jwks"],
    ["a backslash before the @", "https://idp.example\\@evil.example/jwks"],
    ["a backslash for a slash", "https:\\\\evil.example/jwks"],
    ["a fragment", "https://idp.example/jwks#keys"],
    ["no slashes", "https:evil.example/jwks"],
    ["three slashes", "https:///evil.example/jwks"],
    ["a hexadecimal address", "https://0x7f.1/jwks"],
    ["a short address", "https://127.1/jwks"],
    ["an octal address", "https://0177.0.0.1/jwks"],
    ["an address with padded octets", "https://127.000.000.001/jwks"],
    ["an address in one number", "https://2130706433/jwks"],
    ["an address with a trailing dot", "https://127.0.0.1./jwks"],
    ["an IPv4 address mapped to IPv6", "https://[::ffff:127.0.0.1]/jwks"],
    ["the same in hexadecimal", "https://[::ffff:7f00:1]/jwks"],
    ["the same in full", "https://[0:0:0:0:0:ffff:7f00:1]/jwks"],
    ["fullwidth dots", "https://idp．example/jwks"],
    ["an ideographic full stop", "https://idp。example/jwks"],
    ["a fullwidth slash", "https://idp.example／.evil.example/jwks"],
    ["fullwidth letters", "https://ｉｄｐ.example/jwks"],
    ["fullwidth digits", "https://１２７.0.0.1/jwks"],
    ["letters in circles", "https://ⓘdp.example/jwks"],
    ["the Kelvin sign", "https://bank\u212a.example/jwks"],
    ["a soft hyphen", "https://idp\u00ad.example/jwks"],
    ["an invisible character in another script", "https://bü\u200bcher.example/jwks"],
    ["letters in decomposed form", "https://bu\u0308cher.example/jwks"],
    ["a percent-encoded dot", "https://idp%2eexample/jwks"],
    ["a percent-encoded address", "https://%31%32%37.0.0.1/jwks"],
    ["a tab in the scheme", "ht\ttps://idp.example/jwks"],
    ["a line break in the host", "https://idp.exa\nmple/jwks"],
    ["a line break at the end", "https://idp.example/jwks\n"],
    ["a space at the start", " https://idp.example/jwks"],
    ["a space in the path", "https://idp.example/jw ks"],
    ["a character that turns the writing round", "https://idp.example/\u202ejwks"],
  ])("H10: refuses %s", (_name, url) => {
    expect(() => parseJwksUrl(url, strict, "url")).toThrow(TypeError);
    expect(() => createJwks(url)).toThrow(/^url must /);
  });

  it("H10: shows nothing of the URL in the message", () => {
    expect(() => createJwks("https://idp.example/jwks?key=top-secret#x")).toThrow(/^(?!.*top-secret)/);
    expect(() => createJwks("https://user:top-secret@idp.example/")).toThrow(/^(?!.*top-secret)/);
  });

  it.each([
    "http://127.0.0.1.evil.example/",
    "http://localhost.evil.example/",
    "http://[::ffff:127.0.0.1]/",
    "http://10.0.0.1/",
    "http://0.0.0.0/",
    "http://0x7f.1/jwks",
    "http://127.1/jwks",
    "http://user@127.0.0.1/",
  ])("H10: refuses %s even where loopback http is allowed", (url) => {
    expect(() => parseJwksUrl(url, development, "url")).toThrow(TypeError);
  });

  it.each(["http://localhost:8080/jwks", "http://127.0.0.1/jwks", "http://127.8.9.1/jwks", "http://[::1]:1/jwks"])(
    "permits %s with allowLoopbackHttp",
    (url) => {
      expect(parseJwksUrl(url, development, "url")).toBe(new URL(url).href);
    },
  );

  it("H10: refuses a host that is not of an allowed domain", () => {
    const rules: UrlRules = { ...strict, allowedDomains: parseAllowedDomains(["issuer.example"], "domains") };
    expect(parseJwksUrl("https://keys.issuer.example/", rules, "url")).toBe("https://keys.issuer.example/");
    expect(() => parseJwksUrl("https://evilissuer.example/", rules, "options.url")).toThrow(
      "options.url must be of an allowed domain",
    );
  });

  it("refuses what is neither text nor URL", () => {
    expect(() => parseJwksUrl(7 as unknown as string, strict, "url")).toThrow(
      "url must be a string or URL, got number",
    );
  });
});
