import { describe, expect, it } from "vitest";
import { intersectDomains, isAllowedHost, parseAllowedDomains } from "../../src/jwks/allowed-domains.js";

function allows(list: readonly string[], url: string): boolean {
  return isAllowedHost(parseAllowedDomains(list, "list") ?? [], new URL(url));
}

describe("parseAllowedDomains()", () => {
  it.each([
    [[], "options.domains must not be empty"],
    ["idp.example", "options.domains must be an array of strings, got string"],
    [["idp.example", ""], "options.domains[1] must not be empty"],
    [[7], "options.domains[0] must be a string, got number"],
    [["*.idp.example"], 'options.domains[0] must not contain "*": a host name stands for all names below it too'],
    [["https://idp.example"], "options.domains[0] must be a host name or address"],
    [["idp.example/jwks"], "options.domains[0] must be"],
    [["user@idp.example"], "options.domains[0] must be"],
    [["idp.example?x"], "options.domains[0] must be"],
    [["idp.example#x"], "options.domains[0] must be"],
    [["idp.example\\x"], "options.domains[0] must be"],
    [["idp .example"], "options.domains[0] must be"],
    [["idp.example\n"], "options.domains[0] must be"],
    [["idp.example:"], "options.domains[0] must be"],
    [["idp.example:0"], "options.domains[0] must be"],
    [["idp.example:65536"], "options.domains[0] must be"],
    [["idp.example:0443"], "options.domains[0] must be"],
    [[":443"], "options.domains[0] must be"],
    [["2001:db8::1"], "options.domains[0] must be"],
    [[".idp.example"], "options.domains[0] must be"],
    [["idp..example"], "options.domains[0] must be"],
    [["."], "options.domains[0] must be"],
    [["127.1"], "options.domains[0] must be"],
    [["ｉｄｐ.example"], "options.domains[0] must be"],
  ])("refuses %o", (list, message) => {
    const parse = (): unknown => parseAllowedDomains(list as readonly string[], "options.domains");
    expect(parse).toThrow(TypeError);
    expect(parse).toThrow(message);
  });

  it("takes an absent list for any domain", () => {
    expect(parseAllowedDomains(undefined, "options.domains")).toBeUndefined();
  });
});

describe("isAllowedHost()", () => {
  it.each([
    ["idp.example", "https://idp.example/jwks", true],
    ["idp.example", "https://keys.idp.example/", true],
    ["idp.example", "https://a.b.idp.example:8443/", true],
    ["idp.example", "https://evilidp.example/", false],
    ["idp.example", "https://idp.example.evil.example/", false],
    ["idp.example", "https://example/", false],
    ["keys.idp.example", "https://idp.example/", false],
    ["IDP.Example", "https://idp.example/", true],
    ["idp.example.", "https://idp.example/", true],
    ["idp.example", "https://idp.example./", true],
    ["idp.example.", "https://keys.idp.example./", true],
    ["bücher.example", "https://xn--bcher-kva.example/", true],
    ["xn--bcher-kva.example", "https://keys.bücher.example/", true],
    ["idp.example:8443", "https://idp.example:8443/", true],
    ["idp.example:8443", "https://keys.idp.example:8443/", true],
    ["idp.example:8443", "https://idp.example/", false],
    ["idp.example:443", "https://idp.example/", true],
    ["idp.example:443", "https://idp.example:8443/", false],
    ["localhost:80", "http://localhost/", true],
    ["192.0.2.1", "https://192.0.2.1/", true],
    ["192.0.2.1", "https://192.0.2.10/", false],
    ["[2001:db8::1]", "https://[2001:db8::1]:1/", true],
    ["[2001:DB8::1]:8443", "https://[2001:db8::1]:8443/", true],
    ["[2001:db8::1]:8443", "https://[2001:db8::1]/", false],
    ["[2001:db8::1]", "https://[2001:db8::2]/", false],
  ])("H10: of %s, says of %s: %s", (entry, url, expected) => {
    expect(allows([entry], url)).toBe(expected);
    expect(allows(["other.example", entry], url)).toBe(expected);
  });
});

describe("intersectDomains()", () => {
  const urls = [
    "https://idp.example/",
    "https://idp.example:8443/",
    "https://keys.idp.example/",
    "https://keys.idp.example:8443/",
    "https://other.example/",
    "https://192.0.2.1/",
  ];
  const lists = [
    undefined,
    ["idp.example"],
    ["keys.idp.example"],
    ["keys.idp.example:8443", "192.0.2.1"],
    ["idp.example:8443", "other.example"],
    ["idp.example:443", "192.0.2.1:443"],
  ].map((list) => parseAllowedDomains(list, "list"));

  it("H10: allows exactly what both lists allow", () => {
    let allowed = 0;
    for (const one of lists) {
      for (const other of lists) {
        const both = intersectDomains(one, other);
        for (const url of urls.map((text) => new URL(text))) {
          const expected = [one, other].every((list) => list === undefined || isAllowedHost(list, url));
          expect(both === undefined || isAllowedHost(both, url)).toBe(expected);
          allowed += Number(expected);
        }
      }
    }
    expect(allowed).toBeGreaterThan(20);
  });

  it("H10: gives an empty list, which allows nothing, for lists that have nothing in common", () => {
    expect(intersectDomains(lists[4], lists[5])).toEqual([]);
    expect(isAllowedHost([], new URL("https://idp.example/"))).toBe(false);
  });
});
