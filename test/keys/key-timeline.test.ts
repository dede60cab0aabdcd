import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type KeyInstants, placeKeys } from "../../src/keys/key-timeline.js";

const key = (kid: string, signsFromMs: number, retiresAtMs?: number): KeyInstants => ({
  kid,
  publishedAtMs: 0,
  signsFromMs,
  ...(retiresAtMs !== undefined && { retiresAtMs }),
});

const states = (keys: readonly KeyInstants[], nowMs: number): readonly string[] =>
  placeKeys(keys, nowMs, 50).map((placed) => `${placed.key.kid} ${placed.state} ${placed.retiresAtMs}`);

describe("placeKeys()", () => {
  const keys = [key("b", 200), key("a", 100)];

  it("lets the successor sign exactly from its instant", () => {
    expect(states(keys, 199)).toEqual(["a signing 250", "b pending undefined"]);
    expect(states(keys, 200)).toEqual(["a retiring 250", "b signing undefined"]);
  });

  it("leaves a key out exactly when its last token has expired", () => {
    expect(states(keys, 249)).toHaveLength(2);
    expect(states(keys, 250)).toEqual(["b signing undefined"]);
  });

  it("takes the later of the stored and the computed retirement", () => {
    expect(states([key("a", 100, 400), key("b", 200)], 300)).toEqual(["a retiring 400", "b signing undefined"]);
    expect(states([key("a", 100, 220), key("b", 200)], 230)).toEqual(["a retiring 250", "b signing undefined"]);
  });

  it("D7: lets the first key sign when the wall clock was set back before all of them", () => {
    expect(states(keys, 0)).toEqual(["a signing 250", "b pending undefined"]);
  });

  it("gives nothing for no keys", () => {
    expect(placeKeys([], 0, 50)).toEqual([]);
  });

  it("has exactly one key that signs, the same whatever the order of the keys", () => {
    const instants = fc.uniqueArray(fc.tuple(fc.string(), fc.nat(20)), { minLength: 1, selector: ([kid]) => kid });
    fc.assert(
      fc.property(instants, fc.nat(20), (some, nowMs) => {
        const all = some.map(([kid, signsFromMs]) => key(kid, signsFromMs));
        const signing = placeKeys(all, nowMs, 5).filter(({ state }) => state === "signing");
        expect(signing).toHaveLength(1);
        expect(placeKeys(all.toReversed(), nowMs, 5)).toEqual(placeKeys(all, nowMs, 5));
      }),
    );
  });
});
