import { createHash } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { createTokenCache, digestToken } from "../../src/verify/token-cache.js";

describe("createTokenCache()", () => {
  it("remembers a token until it is too old or deleted", () => {
    const cache = createTokenCache<object>({ maxEntries: 10, maxAgeMs: 1_000 });
    const value = {};
    cache.set("token", value, { length: 100, nowMs: 500 });
    expect(cache.get("token", 1_499)).toBe(value);
    expect(cache.get("token", 1_500)).toBeUndefined();
    expect(cache.get("other", 500)).toBeUndefined();
    cache.delete("token");
    expect(cache.get("token", 500)).toBeUndefined();
  });

  it("J3: is bounded by number, and by size for large tokens", () => {
    const cache = createTokenCache<object>({ maxEntries: 20, maxAgeMs: 1_000 });
    const held = (size: number): number => {
      const tokens = Array.from({ length: 100 }, (_, index) => `${index}`.padEnd(size, "."));
      for (const token of tokens) cache.set(token, {}, { length: token.length, nowMs: 0 });
      return tokens.filter((token) => cache.get(token, 0) !== undefined).length;
    };
    expect(held(100)).toBe(20);
    expect(held(8_000)).toBe(2);
  });

  it("L1: holds no token", () => {
    const cache = createTokenCache<object>({ maxEntries: 10, maxAgeMs: 1_000 });
    cache.set(digestToken("secret-token"), {}, { length: 12, nowMs: 0 });
    expect(inspect(cache, { depth: 10, showHidden: true })).not.toContain("secret-token");
    expect(Buffer.from(digestToken("secret-token"), "latin1")).toEqual(
      createHash("sha256").update("secret-token").digest(),
    );
  });
});
