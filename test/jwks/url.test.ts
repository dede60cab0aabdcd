import { describe, expect, it } from "vitest";
import { createJwks } from "../../src/jwks/jwks.js";
import { parseJwksUrl } from "../../src/jwks/url.js";

describe("parseJwksUrl()", () => {
  const strict = { allowLoopbackHttp: false };
  const development = { allowLoopbackHttp: true };

  it("gives the normal form of an https URL", () => {
    expect(parseJwksUrl("HTTPS://IDP.example:443/a/../jwks.json", strict, "url")).toBe("https://idp.example/jwks.json");
    expect(parseJwksUrl(new URL("https://idp.example/jwks"), strict, "url")).toBe("https://idp.example/jwks");
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
    "https://idp.example@evil.example/jwks",
    "https://:secret@evil.example/jwks",
    "https://idp.example/jwks#keys",
    "http://127.0.0.1.evil.example/",
    "http://localhost.evil.example/",
    "http://[::ffff:127.0.0.1]/",
    "http://10.0.0.1/",
    "http://0.0.0.0/",
  ])("H10: refuses %s even where loopback http is allowed", (url) => {
    expect(() => parseJwksUrl(url, development, "url")).toThrow(TypeError);
  });

  it.each([
    "http://localhost:8080/jwks",
    "http://127.0.0.1/jwks",
    "http://127.8.9.1/jwks",
    "http://[::1]:1/jwks",
    "http://0x7f.1/jwks",
  ])("permits %s with allowLoopbackHttp", (url) => {
    expect(parseJwksUrl(url, development, "url")).toBe(new URL(url).href);
  });

  it("refuses what is neither text nor URL", () => {
    expect(() => parseJwksUrl(7 as unknown as string, strict, "url")).toThrow(
      "url must be a string or URL, got number",
    );
  });
});
