import { describe, expect, it } from "vitest";
import { copyMembers } from "../../src/client/copy-members.js";

describe("copyMembers()", () => {
  const copy = (members: unknown) => copyMembers("claims", members as Record<string, unknown>, new Set(["iss"]));

  it("copies all the way down", () => {
    const members = { roles: ["worker"], org: { name: "acme" } };
    const copied = copy(members);
    members.roles.push("admin");
    members.org.name = "other";
    expect(copied).toEqual({ roles: ["worker"], org: { name: "acme" } });
  });

  it.each<[unknown, string]>([
    [{ iss: "x" }, 'claims must not have "iss": the token sets it itself'],
    [["a"], "claims must be an object, got array"],
    [null, "claims must be an object, got null"],
    ["a", "claims must be an object, got string"],
  ])("refuses %j", (members, message) => {
    expect(() => copy(members)).toThrow(message);
    expect(() => copy(members)).toThrow(TypeError);
  });

  it("refuses what JSON cannot say", () => {
    expect(() => copy({ n: 1n })).toThrow(TypeError);
  });
});
