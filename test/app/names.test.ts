import { describe, expect, it } from "vitest";
import { isName, OPERATOR_ROLE, ROLES } from "../../src/app/names.js";

describe("isName()", () => {
  it.each(["a", "Acme_1.x-y", "x".repeat(64)])("accepts %s", (name) => expect(isName(name)).toBe(true));

  it.each(["", "x".repeat(65), "a/b", "a b", "a\n", "é"])("refuses %j", (name) => expect(isName(name)).toBe(false));
});

describe("ROLES", () => {
  it("are those of credentials, of which operator is none", () => {
    expect(ROLES).toEqual(["submitter", "worker", "admin"]);
    expect(ROLES).not.toContain(OPERATOR_ROLE);
  });
});
