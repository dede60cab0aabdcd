import { describe, expect, it } from "vitest";
import {
  assertBoolean,
  assertCount,
  assertFields,
  assertFunction,
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
    expect(() => assertCount("retries", 0)).not.toThrow();
    expect(() => assertCount("retries", -1)).toThrow(RangeError);
    expect(() => assertCount("retries", 1.5)).toThrow(/^retries must be an integer/);
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

describe("assertBoolean() and assertFunction()", () => {
  it("take what they are for alone, naming the field", () => {
    for (const value of [true, false]) expect(() => assertBoolean("enabled", value)).not.toThrow();
    expect(() => assertFunction("onEvent", () => {})).not.toThrow();
    expect(() => assertBoolean("enabled", "s3cret")).toThrow(new TypeError("enabled must be a boolean, got string"));
    expect(() => assertFunction("onEvent", null)).toThrow(new TypeError("onEvent must be a function, got null"));
  });
});

describe("assertFields()", () => {
  const known = { port: true, host: true };

  it("takes any part of the fields", () => {
    for (const value of [{}, { port: 1 }, { host: undefined, port: 1 }]) {
      expect(() => assertFields("options", value, known)).not.toThrow();
    }
  });

  it.each<readonly [unknown, string]>([
    [undefined, "options must be an object, got undefined"],
    [null, "options must be an object, got null"],
    [[], "options must be an object, got array"],
    ["s3cret", "options must be an object, got string"],
    [{ prot: 1 }, "options.prot is not an option"],
    [{ toString: 1 }, "options.toString is not an option"],
    [JSON.parse('{"__proto__":1}'), "options.__proto__ is not an option"],
    [{ "s3cret!": 1 }, "options has a field that is not an option"],
    [{ [`x${"y".repeat(40)}`]: 1 }, "options has a field that is not an option"],
  ])("I6: refuses %j", (value, message) => {
    expect(() => assertFields("options", value as object, known)).toThrow(new TypeError(message));
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
