import { createHash } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { usedBytes } from "../../bench/used-bytes.js";
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

  it.each([
    ["many", 100],
    ["large", 4_000],
  ])("J3: keeps what is asked for, however many others come: %s", (_, length) => {
    const cache = createTokenCache<object>({ maxEntries: 20, maxAgeMs: 1_000 });
    cache.set("asked for", {}, { length, nowMs: 0 });
    cache.set("forgotten", {}, { length, nowMs: 0 });
    for (let index = 0; index < 100; index++) {
      cache.set(`${index}`, {}, { length, nowMs: 0 });
      expect(cache.get("asked for", 0)).toBeDefined();
    }
    expect(cache.get("forgotten", 0)).toBeUndefined();
  });

  it("J3: holds nothing of what it has forgotten, though the same tokens come again and again", () => {
    const cache = createTokenCache<object>({ maxEntries: 500, maxAgeMs: 1_000 });
    const before = usedBytes();
    for (let round = 0; round < 2_000; round++) {
      for (let index = 0; index < 450; index++) cache.set(`${index}`, {}, { length: 1, nowMs: round * 1_000 });
    }
    expect(usedBytes() - before).toBeLessThan(1_000_000);
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
