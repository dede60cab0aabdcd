import { describe, expect, it } from "vitest";
import { type StoredKey, sameKeys } from "../../src/keys/key-store.js";
import { createSecret } from "../../src/lib/secret.js";

const keys = (...kids: readonly string[]): readonly StoredKey[] =>
  kids.map((kid) => ({ kid, privateJwk: createSecret({}), publishedAtMs: 0, signsFromMs: 0 }));

describe("sameKeys()", () => {
  it("compares names, in any order", () => {
    expect(sameKeys(keys("a", "b"), keys("b", "a"))).toBe(true);
    expect(sameKeys([], [])).toBe(true);
    expect(sameKeys(keys("a"), keys("a", "b"))).toBe(false);
    expect(sameKeys(keys("a", "b"), keys("a"))).toBe(false);
    expect(sameKeys(keys("a", "b"), keys("a", "c"))).toBe(false);
  });
});
