import { describe, expect, it } from "vitest";
import { createOriginRule, type OriginRuleOptions } from "../../src/client/origin-rule.js";

const rule = (options: Partial<OriginRuleOptions> = {}) =>
  createOriginRule({ perOrigin: false, allowLoopbackHttp: true, ...options });
const notAllowed = expect.objectContaining({ code: "ERR_TOKEN_ORIGIN" });

describe("createOriginRule()", () => {
  it("K2: binds tokens to the origin of the first call", () => {
    const { permit } = rule();
    expect(permit("https://jobs.example/pkg.Service/Method")).toBe("https://jobs.example");
    expect(permit("https://jobs.example:443/pkg.Service/Other?x=1")).toBe("https://jobs.example");
    for (const url of [
      "https://evil.example/a",
      "https://jobs.example:8443/a",
      "https://jobs.example.evil.example/a",
    ]) {
      expect(permit(url)).toBeUndefined();
    }
    expect(permit("https://jobs.example/again")).toBe("https://jobs.example");
  });

  it("K2: reads the origin as the network will, not as it looks", () => {
    const { permit } = rule();
    permit("https://good.example/");
    expect(permit("https://good.example.evil.example/")).toBeUndefined();
    expect(permit("https://good.example:444/")).toBeUndefined();
    expect(permit("https://good.example@evil.example/")).toBeUndefined();
    expect(permit("https://evil.example\\@good.example/")).toBeUndefined();
    expect(permit("https://GOOD.example/")).toBe("https://good.example");
  });

  it("gives each origin when tokens are made per origin", () => {
    const { permit } = rule({ perOrigin: true });
    expect(permit("https://a.example/x")).toBe("https://a.example");
    expect(permit("https://b.example/x")).toBe("https://b.example");
    expect(permit("http://localhost:8080/x")).toBe("http://localhost:8080");
  });

  it.each([true, false])("K2: permits the named origins only (per origin: %s)", (perOrigin) => {
    const { permit } = rule({ perOrigin, origins: ["https://a.example", "http://127.0.0.1:8080"] });
    expect(permit("https://a.example/x")).toBe("https://a.example");
    expect(permit("http://127.0.0.1:8080/x")).toBe("http://127.0.0.1:8080");
    expect(permit("https://b.example/x")).toBeUndefined();
    expect(permit("http://a.example/x")).toBeUndefined();
    expect(permit("http://127.0.0.1:8081/x")).toBeUndefined();
  });

  it.each([
    "http://jobs.example/",
    "http://127.0.0.1.example/",
    "http://localhost@jobs.example/",
    "http://0.0.0.0/",
    "ws://localhost/",
    "ftp://localhost/",
    "file:///etc/passwd",
    "data:text/plain,x",
    "blob:https://jobs.example/1",
  ])("K3: refuses %s", (url) => {
    expect(() => rule().permit(url)).toThrow(notAllowed);
    expect(() => rule({ perOrigin: true }).permit(url)).toThrow(notAllowed);
  });

  it("K3: does not bind tokens to an origin that it refuses", () => {
    const { permit } = rule();
    expect(() => permit("http://jobs.example/")).toThrow(notAllowed);
    expect(permit("https://jobs.example/")).toBe("https://jobs.example");
  });

  it("K3: refuses http: to this machine too when told so", () => {
    expect(() => rule({ allowLoopbackHttp: false }).permit("http://localhost/")).toThrow(notAllowed);
  });

  it("refuses a URL without an origin", () => {
    expect(() => rule().permit("/pkg.Service/Method")).toThrow(notAllowed);
    expect(() => rule().permit("/pkg.Service/Method")).toThrow("give the transport an absolute baseUrl");
    expect(() => rule().permit("")).toThrow(notAllowed);
  });

  it.each([
    "jobs.example",
    "https://jobs.example/",
    "https://jobs.example/path",
    "https://jobs.example:443",
    "https://JOBS.example",
    "https://user@jobs.example",
    "https://*.example",
    "http://jobs.example",
    "ws://jobs.example",
    "null",
    "",
  ])("I5: refuses to be told the origin %j", (entry) => {
    const wildcard = entry.includes("*");
    const build = (): unknown => rule({ origins: ["https://ok.example", entry] });
    // "*" is a legal character of a host name: it matches that host alone.
    if (wildcard) expect(rule({ origins: [entry] }).permit("https://a.example/")).toBeUndefined();
    else expect(build).toThrow(/^origins\[1\]/);
  });

  it("I5: refuses an empty list and a loopback origin without leave", () => {
    expect(() => rule({ origins: [] })).toThrow("origins must not be empty");
    expect(() => rule({ origins: "https://a.example" as never })).toThrow("origins must be an array");
    expect(() => rule({ origins: ["http://localhost:1"], allowLoopbackHttp: false })).toThrow("http: is not allowed");
  });
});
