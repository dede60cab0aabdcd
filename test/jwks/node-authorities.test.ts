import { describe, expect, it } from "vitest";
import { parseAuthorities } from "../../src/jwks/node-authorities.js";
import { createAuthority } from "../support/tls-authority.js";

describe("parseAuthorities()", () => {
  const [one, other] = [createAuthority(), createAuthority()];

  it("reads texts, bytes and bundles", () => {
    expect(parseAuthorities(one.cert, "ca")).toEqual([one.cert]);
    expect(parseAuthorities(Buffer.from(one.cert), "ca")).toEqual([one.cert]);
    expect(parseAuthorities(`# first\n${one.cert}\n# second\n${other.cert}`, "ca")).toEqual([one.cert, other.cert]);
    expect(parseAuthorities([one.cert, Buffer.from(other.cert)], "ca")).toEqual([one.cert, other.cert]);
  });

  it.each([
    ["", "options.ca must hold certificates in PEM form"],
    ["/etc/ssl/ca.pem", "options.ca must hold certificates in PEM form"],
    [[], "options.ca must not be empty"],
    [[one.cert, "none"], "options.ca[1] must hold certificates in PEM form"],
    [[one.cert, 7], "options.ca[1] must be a string or Buffer, got number"],
    [null, "options.ca must be a string or Buffer, got null"],
    [{ pem: one.cert }, "options.ca must be a string or Buffer, got object"],
    [
      one.cert.replace(/[A-Za-z]{20}/, ""),
      "options.ca must hold certificates in PEM form, and one of them cannot be read",
    ],
    [[one.cert, one.cert + one.key], "options.ca[1] must hold nothing but certificates"],
  ])("I6: refuses %#", (ca, message) => {
    const parse = (): unknown => parseAuthorities(ca as string, "options.ca");
    expect(parse).toThrow(TypeError);
    expect(parse).toThrow(message);
  });

  it("shows nothing of a private key in the error", () => {
    expect(() => parseAuthorities(one.key, "options.ca")).toThrow(/^options\.ca must hold nothing but certificates$/);
  });
});
