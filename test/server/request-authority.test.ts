import { describe, expect, it } from "vitest";
import { INVALID_AUTHORITY, isValidAuthority } from "../../src/server/request-authority.js";

describe("isValidAuthority()", () => {
  it.each(["a", "a.test", "a.test:8080", "127.0.0.1:1", "[::1]", "[::1]:443", "a_b", "xn--bcher-kva.test", "a:"])(
    "accepts %j",
    (authority) => {
      expect(isValidAuthority(authority)).toBe(true);
      // Twice: the second answer is remembered.
      expect(isValidAuthority(authority)).toBe(true);
    },
  );

  it.each([
    "",
    " ",
    "a b",
    "a:65536",
    "a:-1",
    "a:b",
    "[",
    "[::1",
    "[::g]",
    "1.2.3.999",
    "u@a",
    "u:p@a",
    "a/b",
    "a?b",
    "a#b",
    "a\\b",
    "%zz",
    "%00",
    "a\0",
    "ä.test",
    `${"a".repeat(600)}`,
  ])("refuses %j", (authority) => {
    expect(isValidAuthority(authority)).toBe(false);
  });

  it("accepts what stands in for an authority that it refuses", () => {
    expect(isValidAuthority(INVALID_AUTHORITY)).toBe(true);
  });
});
