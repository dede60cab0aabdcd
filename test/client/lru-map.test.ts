import { describe, expect, it } from "vitest";
import { createLruMap } from "../../src/client/lru-map.js";

describe("createLruMap()", () => {
  it("forgets what was not used for longest", () => {
    const map = createLruMap<string, object>(2);
    const [a, b, c] = [{}, {}, {}];
    map.set("a", a);
    map.set("b", b);
    expect(map.get("a")).toBe(a);
    map.set("c", c);
    expect(map.get("b")).toBeUndefined();
    expect(map.get("a")).toBe(a);
    expect(map.get("c")).toBe(c);
    expect(map.size).toBe(2);
  });

  it("gives what it forgets, and nothing when there was room", () => {
    const map = createLruMap<string, object>(2);
    const [a, b, second] = [{}, {}, {}];
    expect(map.set("a", a)).toBeUndefined();
    expect(map.set("b", b)).toBeUndefined();
    expect(map.set("b", second)).toBeUndefined();
    expect(map.set("c", {})).toBe(a);
  });

  it("overwrites a value without forgetting another", () => {
    const map = createLruMap<string, object>(2);
    const [a, b, second] = [{}, {}, {}];
    map.set("a", a);
    map.set("b", b);
    map.set("b", second);
    expect(map.get("a")).toBe(a);
    expect(map.get("b")).toBe(second);
  });

  it("keeps the order when the newest is used again and again", () => {
    const map = createLruMap<string, object>(2);
    map.set("a", {});
    map.set("b", {});
    map.get("b");
    map.get("b");
    map.set("c", {});
    expect(map.get("a")).toBeUndefined();
    expect([...map.values()]).toHaveLength(2);
  });

  it("holds one entry when told so", () => {
    const map = createLruMap<string, object>(1);
    map.set("a", {});
    map.set("b", {});
    expect(map.get("a")).toBeUndefined();
    expect(map.size).toBe(1);
  });

  it("forgets everything when cleared", () => {
    const map = createLruMap<string, object>(2);
    map.set("a", {});
    map.clear();
    expect(map.get("a")).toBeUndefined();
    expect(map.size).toBe(0);
  });
});
