import { describe, expect, it } from "vitest";
import { isServerUrl } from "../../src/client/server-url.js";

describe("isServerUrl()", () => {
  it.each(["https://issuer.example", "HTTPS://issuer.example/a?b=c", "http://localhost:8080/token", "http://[::1]/"])(
    "takes %s",
    (url) => {
      expect(isServerUrl(url, true)).toBe(true);
    },
  );

  it.each([
    "",
    "/token",
    "issuer.example",
    "http://issuer.example",
    "http://localhost.example",
    "ftp://issuer.example",
    "javascript:alert(1)",
    "https://user@issuer.example",
    "https://:pass@issuer.example",
    "https://issuer.example#",
    "https://issuer.example/#a",
    "https://issuer.example\\@evil.example",
    "https://issuer.example/\n",
    "https://issuer .example",
    "https://\u{456}ssuer.example",
  ])("refuses %j", (url) => {
    expect(isServerUrl(url, true)).toBe(false);
  });

  it("takes http: on this machine only where that is allowed", () => {
    expect(isServerUrl("http://127.0.0.1/", true)).toBe(true);
    expect(isServerUrl("http://127.0.0.1/", false)).toBe(false);
  });
});
