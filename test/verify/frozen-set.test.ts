import { describe, expect, it } from "vitest";
import { createFrozenSet } from "../../src/verify/frozen-set.js";

describe("createFrozenSet()", () => {
  it.each([[[]], [["a", "b"]]])("gives a set of %o that refuses every change", (entries: string[]) => {
    const set = createFrozenSet(entries) as Set<string>;
    expect(() => set.add("x")).toThrow(TypeError);
    expect(() => set.delete("a")).toThrow(TypeError);
    expect(() => set.clear()).toThrow(TypeError);
    expect(() => Object.assign(set, { has: () => true })).toThrow(TypeError);
    expect([...set]).toEqual(entries);
  });

  it("works like any other set for reading", () => {
    const set = createFrozenSet(["a", "b", "a"]);
    expect(set.size).toBe(2);
    expect(set.has("a")).toBe(true);
    expect(structuredClone([...set])).toEqual(["a", "b"]);
  });
});
