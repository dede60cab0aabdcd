import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normalizeTarget, replaceOrigin } from "../../src/verify/dpop-target.js";

const TARGET = "https://jobs.example/a.v1.Service/Do";

describe("normalizeTarget()", () => {
  it.each([
    "HTTPS://jobs.example/a.v1.Service/Do",
    "https://JOBS.Example/a.v1.Service/Do",
    "https://jobs.example:443/a.v1.Service/Do",
    "https://jobs.example:/a.v1.Service/Do",
    "https://jobs.example/b/../a.v1.Service/./Do",
    "https://jobs.example/%61%2ev1%2EService/Do",
    "https://jobs.example/a.v1.Service/Do?message=1&base64=1",
    "https://jobs.example/a.v1.Service/Do#part",
    "https://jobs.example/a.v1.Service/Do?user@host#x@y",
  ])("takes %s for the same", (url) => {
    expect(normalizeTarget(url)).toBe(TARGET);
  });

  it.each([
    "http://jobs.example/a.v1.Service/Do",
    "https://jobs.example:8443/a.v1.Service/Do",
    "https://jobs.example:80/a.v1.Service/Do",
    "https://other.example/a.v1.Service/Do",
    "https://jobs.example.other.example/a.v1.Service/Do",
    "https://jobs.example./a.v1.Service/Do",
    "https://jobs.example/a.v1.service/Do",
    "https://jobs.example/a.v1.Service/Do/",
    "https://jobs.example//a.v1.Service/Do",
    "https://jobs.example/a.v1.Service%2FDo",
    "https://jobs.example/a.v1.Service/Do%00",
    "https://jobs.example/a.v1.Service/D%C3%B6",
  ])("tells %s from it", (url) => {
    const normalized = normalizeTarget(url);
    expect(normalized).toBeDefined();
    expect(normalized).not.toBe(TARGET);
  });

  it("gives no host two spellings of its root, and no reserved character another meaning", () => {
    expect(normalizeTarget("http://[::1]:80")).toBe("http://[::1]/");
    expect(normalizeTarget("http://jobs.example:080/%7euser/%2f%3a")).toBe("http://jobs.example/~user/%2F%3A");
  });

  it.each([
    "",
    "/a.v1.Service/Do",
    "//jobs.example/a.v1.Service/Do",
    "jobs.example/a.v1.Service/Do",
    "ftp://jobs.example/a.v1.Service/Do",
    "https:jobs.example/a.v1.Service/Do",
    "https:/jobs.example/a.v1.Service/Do",
    "https:///jobs.example/a.v1.Service/Do",
    "https://",
    "https://?",
    "https://jobs.example:99999/a.v1.Service/Do",
    "https://user@jobs.example/a.v1.Service/Do",
    "https://user:secret@jobs.example/a.v1.Service/Do",
    "https://@jobs.example/a.v1.Service/Do",
    "https://:@jobs.example/a.v1.Service/Do",
    " https://jobs.example/a.v1.Service/Do",
    "https://jobs.example/a.v1.Service/Do\n",
    "https://jobs.example/a.v1.\tService/Do",
    "https:\\\\jobs.example\\a.v1.Service\\Do",
    "https://jobs.example\\a.v1.Service/Do",
    "https://jobs.example/a.v1.Service/Dö",
    "https://jobs。example/a.v1.Service/Do",
  ])("refuses %j", (url) => {
    expect(normalizeTarget(url)).toBeUndefined();
  });

  it("changes nothing of its own answers", () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), (url) => {
        const once = normalizeTarget(url);
        expect(once === undefined ? undefined : normalizeTarget(once)).toBe(once);
      }),
      { numRuns: 50 },
    );
  });
});

describe("replaceOrigin()", () => {
  it("puts the path behind the origin", () => {
    expect(replaceOrigin("http://10.0.0.7:8080/a.v1.Service/Do?x=1", "https://jobs.example")).toBe(TARGET);
  });

  it("changes nothing without an origin, or without a URL", () => {
    expect(replaceOrigin("http://10.0.0.7:8080/a?x=1", undefined)).toBe("http://10.0.0.7:8080/a?x=1");
    expect(replaceOrigin("/a", "https://jobs.example")).toBe("/a");
  });
});
