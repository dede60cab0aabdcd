import { describe, expect, it } from "vitest";
import {
  assertNonEmptyString,
  assertNonEmptyStrings,
  assertNotNegative,
  assertPositive,
  assertPositiveInteger,
  withoutUndefined,
} from "../../src/lib/options.js";

describe("option checks", () => {
  it.each(["1 month", " 5m", "5", null, undefined, [1], true])(
    "D6: refuses the duration %j, naming the field",
    (value) => {
      expect(() => assertPositive("maxTtlMs", value as unknown as number)).toThrow(/^maxTtlMs must be a number/);
    },
  );

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, 0])(
    "D6: refuses the duration %d",
    (value) => {
      expect(() => assertPositive("maxTtlMs", value)).toThrow(/^maxTtlMs must be/);
    },
  );

  it("tells 0 from positive where that matters", () => {
    expect(() => assertNotNegative("clockToleranceSeconds", 0)).not.toThrow();
    expect(() => assertNotNegative("clockToleranceSeconds", -0.1)).toThrow(RangeError);
    expect(() => assertPositiveInteger("maxKeys", 1.5)).toThrow(/^maxKeys must be an integer/);
  });

  it.each([undefined, null, 7, "", {}, /x/])("refuses the text %j, naming the field", (value) => {
    expect(() => assertNonEmptyString("issuer", value)).toThrow(/^issuer must/);
  });

  it.each([undefined, "ES256", [], [""], [7], [/x/]])("refuses the list %j, naming the field", (value) => {
    expect(() => assertNonEmptyStrings("algorithms", value)).toThrow(/^algorithms/);
  });

  it("never shows a refused value that is not a number", () => {
    expect(() => assertNonEmptyString("issuer", { key: "s3cret" })).toThrow(/^issuer must be a string, got object$/);
  });
});

describe("withoutUndefined()", () => {
  it("leaves out what is undefined, and nothing else", () => {
    const fields = { a: undefined, b: null, c: 0, d: "", e: false };
    expect(Object.entries(withoutUndefined(fields))).toEqual([
      ["b", null],
      ["c", 0],
      ["d", ""],
      ["e", false],
    ]);
    expect(Object.keys(fields)).toHaveLength(5);
  });
});
