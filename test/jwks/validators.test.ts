import { describe, expect, it } from "vitest";
import { readValidators, toConditions } from "../../src/jwks/validators.js";

const DATE = "Fri, 06 Nov 2026 08:49:37 GMT";

describe("readValidators()", () => {
  it.each([
    [{ etag: '"v1"' }, { etag: '"v1"' }],
    [{ etag: 'W/"v1"' }, { etag: 'W/"v1"' }],
    [
      { etag: '""', "last-modified": DATE },
      { etag: '""', lastModified: DATE },
    ],
    [{ "last-modified": DATE }, { lastModified: DATE }],
    [{}, undefined],
  ])("H8: reads %o", (headers: Record<string, string>, expected) => {
    expect(readValidators(new Headers(headers))).toEqual(expected);
  });

  it.each([
    { etag: "v1" },
    { etag: '"v1", "v2"' },
    { etag: "*" },
    { etag: `"${"x".repeat(513)}"` },
    { etag: '"ü"' },
    { "last-modified": "x".repeat(65) },
    { "last-modified": 'a"b' },
  ])("H8: leaves out %o, which would go back to the issuer in each request", (headers) => {
    expect(readValidators(new Headers(headers as unknown as Record<string, string>))).toBeUndefined();
  });
});

describe("toConditions()", () => {
  it("H8: makes the headers of a conditional request", () => {
    expect(toConditions({ etag: '"v1"', lastModified: DATE })).toEqual({
      "if-none-match": '"v1"',
      "if-modified-since": DATE,
    });
    expect(toConditions(undefined)).toEqual({});
  });

  it("H8: leaves out what no header can hold, wherever it was kept", () => {
    expect(toConditions({ etag: '"a\r\nx-evil: 1"', lastModified: "Fri\n" })).toEqual({});
    expect(toConditions({ etag: '"ключ"' })).toEqual({});
  });
});
