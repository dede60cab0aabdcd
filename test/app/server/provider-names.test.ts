import { describe, expect, it } from "vitest";
import { nameProviders } from "../../../src/app/server/provider-names.js";

const ID = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}$/;

describe("nameProviders()", () => {
  it.each([
    ["https://idp.example", "idp.example"],
    ["https://idp.example/tenant/7?x", "idp.example"],
    ["https://IDP.example:8443/", "idp.example-8443"],
    ["https://[2001:db8::1]/", "-2001-db8-1-"],
    ["accounts.example", "accounts.example"],
    ["urn:acme:idp", "urn-acme-idp"],
    ["spiffe://acme.example/idp", "acme.example"],
    ["bücher und mehr", "b-cher-und-mehr"],
    ["..", "issuer"],
    [`https://${"x".repeat(60)}.${"y".repeat(60)}.example`, `${"x".repeat(60)}.${"y".repeat(39)}`],
  ])("calls %s %s", (issuer, name) => {
    expect(nameProviders([issuer])).toEqual([name]);
    expect(name).toMatch(ID);
  });

  it("numbers issuers of one name in their order, and gives no name twice", () => {
    expect(nameProviders(["https://a/1", "https://b", "https://a/2", "a-2", "https://a/3"])).toEqual([
      "a",
      "b",
      "a-2",
      "a-2-2",
      "a-3",
    ]);
  });
});
