import { describe, expect, it } from "vitest";
import { formatCredential, isCredentialName, parseCredential } from "../../src/keys/credential.js";

const CREDENTIAL = {
  name: "ci",
  fingerprint: "F",
  orgId: "acme",
  principalId: undefined,
  roles: ["submitter"],
  imported: false,
  createdAtMs: 1,
  updatedAtMs: 2,
};

describe("isCredentialName()", () => {
  it.each(["a", "A-b_c.9", ".hidden", "..a", "x".repeat(64)])("accepts %j", (name) => {
    expect(isCredentialName(name)).toBe(true);
  });

  it.each([
    "",
    ".",
    "..",
    "a/b",
    "a\\b",
    "a b",
    "ü",
    "a\n",
    "config.json",
    "Config.JSON",
    "x".repeat(65),
    7,
    undefined,
  ])("refuses %j", (name) => {
    expect(isCredentialName(name)).toBe(false);
  });
});

describe("parseCredential()", () => {
  it("reads back what formatCredential() wrote, frozen", () => {
    const parsed = parseCredential(formatCredential(CREDENTIAL), "ci", "credential.json");
    expect(parsed).toEqual(CREDENTIAL);
    expect(Object.isFrozen(parsed) && Object.isFrozen(parsed.roles)).toBe(true);
  });

  it.each([
    ["nothing", ""],
    ["an array", "[]"],
    ["no members", "{}"],
    ["a role that is a number", formatCredential({ ...CREDENTIAL, roles: [1 as unknown as string] })],
    ["an instant that is a text", formatCredential({ ...CREDENTIAL, createdAtMs: "1" as unknown as number })],
    ["an empty organisation", formatCredential({ ...CREDENTIAL, orgId: "" })],
    ["imported as a text", formatCredential({ ...CREDENTIAL, imported: "false" as unknown as boolean })],
  ])("refuses %s, naming the file", (_name, text) => {
    expect(() => parseCredential(text, "ci", "/c/ci/credential.json")).toThrow(
      expect.objectContaining({
        code: "ERR_CREDENTIAL_STORE",
        message: expect.stringContaining("/c/ci/credential.json"),
      }),
    );
  });
});
