import { createContextKey, createContextValues } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { layeredContextValues } from "../../src/server/layered-context-values.js";

const key = createContextKey("default");

describe("layeredContextValues()", () => {
  it("reads what is below until it is set on top", () => {
    const base = createContextValues().set(key, "below");
    const values = layeredContextValues(base);
    expect(values.get(key)).toBe("below");
    expect(values.set(key, "top")).toBe(values);
    expect([values.get(key), base.get(key)]).toEqual(["top", "below"]);
  });

  it("gives the default for what is set nowhere", () => {
    expect(layeredContextValues(createContextValues()).get(key)).toBe("default");
  });

  it("hides what is below once it is deleted", () => {
    const base = createContextValues().set(key, "below");
    const values = layeredContextValues(base);
    expect(values.delete(key).get(key)).toBe("default");
    expect(base.get(key)).toBe("below");
  });

  it("can be set to undefined", () => {
    const optional = createContextKey<string | undefined>("default");
    const base = createContextValues().set(optional, "below");
    expect(layeredContextValues(base).set(optional, undefined).get(optional)).toBeUndefined();
  });
});
