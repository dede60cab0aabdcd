import { describe, expect, it } from "vitest";
import { TokenRejectedError } from "../../src/errors.js";
import { blameCredentials, isToken68, parseBearer, splitCredentials } from "../../src/token/bearer.js";

const code = (value: string) => expect.objectContaining({ code: value });

describe("parseBearer()", () => {
  it.each(["Bearer", "bearer", "BEARER", "bEaReR"])("G1: accepts the scheme as %s", (scheme) => {
    expect(parseBearer(`${scheme} a.b.c`)).toBe("a.b.c");
  });

  it("G2: accepts several spaces", () => {
    expect(parseBearer("Bearer   a.b.c")).toBe("a.b.c");
  });

  it.each([
    "",
    "Bearer",
    "Bearer ",
    "Bearera.b.c",
    "Bearer\ta.b.c",
    "Bearer \ta.b.c",
    'Bearer "a.b.c"',
    "Bearer a.b.c d",
    "Bearer a.b.c, Bearer e.v.l",
    "Bearer a.b.c,Bearer e.v.l",
    "Bearer a.b.c, Basic e2V2aWw=",
    "Bearer token=a.b.c",
    "Bearer a.b.c;x",
    "Bearer =",
    "a.b.c",
    "Bearer é",
  ])("G2: refuses %j", (header) => {
    expect(() => parseBearer(header)).toThrow(code("ERR_CREDENTIALS_MALFORMED"));
  });

  it.each(["Basic YTpi", "DPoP a.b.c", "Token a.b.c", "Digest x", "Negotiate x"])(
    "G7: refuses the scheme in %j",
    (header) => {
      expect(() => parseBearer(header)).toThrow(code("ERR_CREDENTIALS_MALFORMED"));
    },
  );

  it("G7: tells a missing header from a malformed one", () => {
    expect(() => parseBearer(null)).toThrow(code("ERR_CREDENTIALS_MISSING"));
  });

  it("G5: refuses an oversize header before reading it", () => {
    expect(() => parseBearer(`Bearer ${"a".repeat(60_000)}`)).toThrow(code("ERR_TOKEN_MALFORMED"));
  });

  it("never shows the header in its message", () => {
    expect(() => parseBearer("Bearer s3cret s3cret")).toThrow(expect.not.objectContaining({ message: /s3cret/ }));
  });
});

describe("splitCredentials()", () => {
  it.each([
    ["dPoP  a.b.c", { scheme: "DPoP", token: "a.b.c" }],
    ["bearer a.b.c, Bearer e.v.l", { scheme: "Bearer", token: "a.b.c, Bearer e.v.l" }],
  ])("takes %j apart and looks no further", (header, credentials) => {
    expect(splitCredentials(header)).toEqual(credentials);
  });
});

describe("blameCredentials()", () => {
  it("G2: blames the header for a malformed token that could not stand there, and for nothing else", () => {
    const malformed = new TokenRejectedError("ERR_TOKEN_MALFORMED", "malformed");
    const expired = new TokenRejectedError("ERR_TOKEN_EXPIRED", "expired");
    expect(blameCredentials(malformed, "a.b.c, Bearer e.v.l")).toEqual(code("ERR_CREDENTIALS_MALFORMED"));
    expect(blameCredentials(malformed, "a.b.c")).toBe(malformed);
    expect(blameCredentials(expired, "a b")).toBe(expired);
  });
});

describe("isToken68()", () => {
  it.each(["a", "a.b-c_d~e+f/g", "YWI="])("accepts %s", (text) => expect(isToken68(text)).toBe(true));
  it.each(["", "=", "a b", "a\r\nX: y", "a,b", "é"])("refuses %j", (text) => expect(isToken68(text)).toBe(false));
});
