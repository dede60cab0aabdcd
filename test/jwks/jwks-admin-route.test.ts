import { describe, expect, it } from "vitest";
import { parseRoute } from "../../src/jwks/jwks-admin-route.js";

describe("parseRoute()", () => {
  it.each([
    ["/providers", { kind: "providers" }],
    ["/providers/acme/idp", { kind: "provider", tenantId: "acme", providerId: "idp" }],
    ["/providers/acme/refresh", { kind: "provider", tenantId: "acme", providerId: "refresh" }],
    ["/providers/acme/idp/refresh", { kind: "refresh", tenantId: "acme", providerId: "idp" }],
    ["/providers/a%2Fb/%C3%A9", { kind: "provider", tenantId: "a/b", providerId: "é" }],
    ["/providers/%252e/%2525", { kind: "provider", tenantId: "%2e", providerId: "%25" }],
    ["/providers/a+b/c;d", { kind: "provider", tenantId: "a+b", providerId: "c;d" }],
  ])("reads %s", (pathname, route) => {
    expect(parseRoute(pathname, "")).toEqual(route);
    expect(parseRoute(`/admin/jwks${pathname}`, "/admin/jwks")).toEqual(route);
  });

  it.each([
    "",
    "/",
    "/Providers",
    "/providers/",
    "/%70roviders",
    "//providers",
    "/providers/acme",
    "/providers/acme/",
    "/providers//idp",
    "/providers/acme/idp/",
    "/providers/acme/idp/Refresh",
    "/providers/acme/idp/refresh/",
    "/providers/acme/idp/refresh/now",
    "/providers/acme/idp/other",
  ])("knows nothing at %s", (pathname) => {
    expect(() => parseRoute(pathname, "")).toThrow(expect.objectContaining({ status: 404, code: "ERR_NOT_FOUND" }));
  });

  it("knows nothing beside its base path", () => {
    for (const pathname of [
      "/providers",
      "/admin/jwks",
      "/admin/jwksproviders",
      "/admin/providers",
      "/other/jwks/providers",
      "/x/admin/jwks/providers",
    ]) {
      expect(() => parseRoute(pathname, "/admin/jwks")).toThrow(expect.objectContaining({ status: 404 }));
    }
  });

  it.each([
    "/providers/%zz/idp",
    "/providers/acme/%",
    "/providers/acme/%ff",
    "/providers/acme/%c0%af/refresh",
    "/providers/%ed%a0%80/x",
  ])("refuses %s, which is not percent-encoded UTF-8", (pathname) => {
    expect(() => parseRoute(pathname, "")).toThrow(expect.objectContaining({ status: 400, code: "ERR_MALFORMED" }));
  });
});
