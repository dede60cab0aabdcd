import { describe, expect, it } from "vitest";
import { isKid } from "../../src/token/kid.js";

describe("isKid()", () => {
  it.each(["k", "2026-11", "../../'%_`", "x".repeat(256)])("accepts %s", (kid) => expect(isKid(kid)).toBe(true));

  it.each(["", "x".repeat(257), "a b", "a\n", "\u007f", "é", 7, null, undefined, ["k"]])("A9: refuses %j", (kid) => {
    expect(isKid(kid)).toBe(false);
  });
});
