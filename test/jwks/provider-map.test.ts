import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createProviderMap } from "../../src/jwks/provider-map.js";

describe("createProviderMap()", () => {
  it("gives back what was added, in that order, all or of a tenant", () => {
    const map = createProviderMap<number>();
    map.add("b", "x", 1);
    map.add("a", "x", 2);
    map.add("b", "y", 3);
    expect(map.get("b", "y")).toBe(3);
    expect(map.get("a", "y")).toBeUndefined();
    expect(map.values()).toEqual([1, 2, 3]);
    expect(map.values("b")).toEqual([1, 3]);
    expect(map.values("c")).toEqual([]);
  });

  it("forgets what is taken, and its tenant with the last of it", () => {
    const map = createProviderMap<number>();
    map.add("a", "x", 1);
    map.add("a", "y", 2);
    expect(map.take("a", "x")).toBe(1);
    expect(map.take("a", "x")).toBeUndefined();
    expect(map.take("b", "x")).toBeUndefined();
    expect(map.values()).toEqual([2]);
    expect(map.take("a", "y")).toBe(2);
    expect(map.values("a")).toEqual([]);
    map.add("a", "x", 3);
    expect(map.values("a")).toEqual([3]);
  });

  it("E6: never takes one pair of names for another, whatever they consist of", () => {
    const name = fc.oneof(
      fc.constantFrom("__proto__", "constructor", "a", "a:", ":a", "a:b", "b", ""),
      fc.string({ unit: fc.constantFrom("a", "b", ":", "/", ".", "\u0000"), maxLength: 4 }),
    );
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, name), { selector: ([one, other]) => JSON.stringify([one, other]) }),
        (pairs) => {
          const map = createProviderMap<number>();
          for (const [index, [tenantId, providerId]] of pairs.entries()) {
            expect(map.get(tenantId, providerId)).toBeUndefined();
            map.add(tenantId, providerId, index);
          }
          for (const [index, [tenantId, providerId]] of pairs.entries()) {
            expect(map.get(tenantId, providerId)).toBe(index);
          }
        },
      ),
      // Pairs that are one text when they are joined by one of these.
      {
        examples: ["", ":", "/", ".", "-", " ", "\u0000"].map((by) => [
          [
            [`a${by}x`, "b"],
            ["a", `x${by}b`],
          ],
        ]),
      },
    );
  });
});
