import { describe, expect, it } from "vitest";
import type { AccessPolicy, PolicyTable } from "../../src/policy/access-policy.js";
import { parsePolicyTable } from "../../src/policy/policy-table.js";

describe("parsePolicyTable()", () => {
  it("copies its entries, so that changing the table later changes no rule", () => {
    const anyRole = ["admin"];
    const policies = parsePolicyTable({ "pkg.Service/Method": { anyRole } });
    anyRole.push("anyone");
    const policy = policies.get("pkg.Service/Method");
    expect(policy).toEqual({ anyRole: ["admin"] });
    expect(Object.isFrozen(policy)).toBe(true);
    expect(Object.isFrozen(policy?.anyRole)).toBe(true);
  });

  it.each(["Method", "pkg.Service", "/pkg.Service/Method", "pkg.Service/*x", "pkg.Service/", "*"])(
    "refuses the key %j",
    (key) => {
      expect(() => parsePolicyTable({ [key]: {} })).toThrow(`policy["${key}"] is not of the form`);
    },
  );

  it.each([
    ["a misspelt field", { anyrole: ["admin"] }, "anyrole is not a field"],
    ["a field of Object.prototype", { toString: ["admin"] }, "toString is not a field"],
    ["a role that is no list", { anyRole: "admin" }, "anyRole must be an array"],
    ["an empty list", { anyRole: [] }, "anyRole must not be empty"],
    ["an empty role", { allRoles: [""] }, "allRoles[0] must not be empty"],
    ["a regular expression", { scopes: [/jobs/] }, "scopes[0] must be a string"],
    ["an org that is no string", { orgs: [undefined] }, "orgs[0] must be a string"],
    ["a truthy public", { public: 1 }, "public must be a boolean"],
    ["an empty orgField", { orgField: "" }, "orgField must not be empty"],
    ["an allow that is no function", { allow: true }, "allow must be a function"],
    ["an acr with a space", { acrValues: ["urn:a b"] }, "acrValues[0] must be visible ASCII"],
    ["an acr with a quote", { acrValues: ["a", 'a"'] }, "acrValues[1] must be visible ASCII"],
    ["an acr with a line break", { acrValues: ["a\r\nb"] }, "acrValues[0] must be visible ASCII"],
    ["an age that is text", { maxAgeSeconds: "5m" }, "maxAgeSeconds must be a number"],
    ["null", null, "must be an object"],
    ["an array", [], "must be an object"],
    ["public with another field", { public: true, anyRole: ["a"] }, "public excludes every other field, got anyRole"],
  ])("refuses %s and names it", (_, policy, message) => {
    const table: PolicyTable = { "pkg.Service/Method": policy as unknown as AccessPolicy };
    expect(() => parsePolicyTable(table)).toThrow(
      expect.objectContaining({ name: "TypeError", message: expect.stringContaining(message) }),
    );
  });

  it("refuses demands that clients would not read from a challenge", () => {
    const parse = (policy: AccessPolicy): unknown => parsePolicyTable({ "pkg.Service/Method": policy });
    const values = Array.from({ length: 16 }, (_, index) => `urn:acr:${index}`);
    expect(() => parse({ acrValues: values, maxAgeSeconds: 999_999_999 })).not.toThrow();
    expect(() => parse({ acrValues: [...values, "urn:acr:16"] })).toThrow(RangeError);
    expect(() => parse({ acrValues: ["a".repeat(257)] })).toThrow(TypeError);
    expect(() => parse({ acrValues: Array.from({ length: 9 }, () => "a".repeat(256)) })).toThrow(RangeError);
    expect(() => parse({ maxAgeSeconds: 1_000_000_000 })).toThrow(RangeError);
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("refuses %d as an age", (maxAgeSeconds) => {
    expect(() => parsePolicyTable({ "pkg.Service/Method": { maxAgeSeconds } })).toThrow(
      expect.objectContaining({ name: "RangeError", message: expect.stringContaining("maxAgeSeconds") }),
    );
  });

  it("takes a field that is undefined for one that is not there", () => {
    const policy = { public: true, anyRole: undefined } as unknown as AccessPolicy;
    expect(parsePolicyTable({ "pkg.Service/*": policy }).get("pkg.Service/*")).toEqual({ public: true });
  });
});
