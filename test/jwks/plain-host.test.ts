import { describe, expect, it } from "vitest";
import { isPlainHost } from "../../src/jwks/plain-host.js";

const isPlain = (written: string): boolean => isPlainHost(written, new URL(`https://${written}/`).hostname);

describe("isPlainHost()", () => {
  it.each([
    "idp.example",
    "IDP.Example",
    "idp.example.",
    "127.0.0.1",
    "[::1]",
    "[2001:DB8::a]",
    "bücher.example",
    "faß.example",
    "xn--bcher-kva.example",
    "مثال.example",
  ])("takes %s", (host) => {
    expect(isPlain(host)).toBe(true);
  });

  it.each([
    "0x7f.1",
    "127.1",
    "0177.0.0.1",
    "127.0.0.01",
    "2130706433",
    "127.0.0.1.",
    "[0:0:0:0:0:0:0:1]",
    "[2001:0db8::1]",
    "idp%2eexample",
    "idp．example",
    "idp。example",
    "idp｡example",
    "ｉdp.example",
    "bü。cher.example",
    "ﬁ.example",
    "bank\u212a.example",
    "idp\u00ad.example",
    "bü\u00adcher.example",
    "bu\u0308cher.example",
    ".idp.example",
    "idp..example",
    "idp.example..",
    ".",
  ])("H10: refuses %s", (host) => {
    expect(isPlain(host)).toBe(false);
  });

  it("H10: refuses a name that a parser of an older Unicode makes ASCII of", () => {
    expect(isPlainHost("faẞ.example", "fass.example")).toBe(false);
    expect(isPlainHost("faẞ.example", "xn--fa-hia.example")).toBe(true);
  });
});
