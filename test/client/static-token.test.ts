import { describe, expect, it } from "vitest";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { staticToken } from "../../src/client/static-token.js";

const request = { audience: "a", origin: "https://a.example", signal: new AbortController().signal };

describe("staticToken()", () => {
  it("gives its token for every audience, as one cache entry", async () => {
    const source = staticToken("abc.def-ghi_jkl~mno+pqr/stu==");
    await expect(source.getToken(request)).resolves.toMatchObject({ value: "abc.def-ghi_jkl~mno+pqr/stu==" });
    expect(source.cacheKey?.(request)).toBe(source.cacheKey?.({ ...request, audience: "b" }));
    expect(source.audienceBound).toBeUndefined();
  });

  it("says that it has no other one", async () => {
    const source = staticToken("abc");
    await expect(source.getToken({ ...request, rejected: "abc" })).rejects.toMatchObject({
      code: "ERR_TOKEN_SOURCE_REFUSED",
    });
  });

  it("K10: goes on giving its token after a rejection, through the cache", async () => {
    const tokens = cachedTokens(staticToken("abc"));
    await tokens.getToken(request);
    tokens.invalidate("abc");
    await expect(tokens.getToken(request)).resolves.toMatchObject({ value: "abc" });
  });

  it.each(["", " abc", "abc\n", "a,b", 'a"b', "Bearer abc", "=", "ab=c", "tökén"])(
    "refuses %j at construction, without showing it",
    (value) => {
      expect(() => staticToken(value)).toThrow(TypeError);
      expect(() => staticToken(value)).toThrow(/^value must (not be empty|be a bearer token: [^"]*)$/);
    },
  );

  it("refuses what is no text", () => {
    expect(() => staticToken(undefined as unknown as string)).toThrow("value must be a string, got undefined");
  });
});
