import { describe, expect, it } from "vitest";
import { assertDiscoverable, listMetadataUrls } from "../../src/verify/metadata-urls.js";

describe("listMetadataUrls()", () => {
  it.each([
    [
      "https://example.com",
      "https://example.com/.well-known/openid-configuration",
      "https://example.com/.well-known/oauth-authorization-server",
    ],
    [
      "https://example.com/",
      "https://example.com/.well-known/openid-configuration",
      "https://example.com/.well-known/oauth-authorization-server",
    ],
    [
      "https://example.com/issuer1",
      "https://example.com/issuer1/.well-known/openid-configuration",
      "https://example.com/.well-known/oauth-authorization-server/issuer1",
    ],
    [
      "https://example.com/issuer1/",
      "https://example.com/issuer1/.well-known/openid-configuration",
      "https://example.com/.well-known/oauth-authorization-server/issuer1",
    ],
    [
      "http://127.0.0.1:8080/a/B%20c",
      "http://127.0.0.1:8080/a/B%20c/.well-known/openid-configuration",
      "http://127.0.0.1:8080/.well-known/oauth-authorization-server/a/B%20c",
    ],
  ])("puts the well-known part where each standard has it: %s", (issuer, oidc, oauth) => {
    expect(listMetadataUrls(issuer)).toEqual([oidc, oauth]);
  });
});

describe("assertDiscoverable()", () => {
  const strict = { allowLoopbackHttp: false, allowedDomains: undefined };

  it.each(["https://example.com", "https://example.com:8443/a/", "https://example.com/%3F"])("takes %s", (issuer) => {
    expect(() => assertDiscoverable(issuer, strict, "issuers[0].issuer")).not.toThrow();
  });

  it.each([
    ["latchkey-cli", "must be an absolute URL"],
    ["http://example.com", "must be an https: URL"],
    ["http://127.0.0.1:1", "must be an https: URL"],
    ["https://user@example.com", "must not contain a user name"],
    ["https://example.com/?tenant=a", "must not contain a query or fragment"],
    ["https://example.com/?", "must not contain a query or fragment"],
    ["https://example.com/#", "must not contain a query or fragment"],
    ["https://example.com/#a", "must not contain a fragment"],
    ["https://example.com /", "must be an absolute URL"],
    [" https://example.com", "must not contain white space"],
  ])("I6: refuses %s by the name of the field", (issuer, message) => {
    expect(() => assertDiscoverable(issuer, strict, "issuers[0].issuer")).toThrow(`issuers[0].issuer ${message}`);
  });

  it("I5: takes loopback http only where it is allowed", () => {
    const rules = { ...strict, allowLoopbackHttp: true };
    expect(() => assertDiscoverable("http://127.0.0.1:1", rules, "issuer")).not.toThrow();
    expect(() => assertDiscoverable("http://example.com", rules, "issuer")).toThrow("issuer must be an https: URL");
  });
});
