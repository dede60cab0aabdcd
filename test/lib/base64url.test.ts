import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeBase64url, encodeBase64url } from "../../src/lib/base64url.js";

describe("decodeBase64url()", () => {
  it("reverses encodeBase64url()", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(decodeBase64url(encodeBase64url(bytes))).toEqual(bytes);
      }),
    );
  });

  it("B13: accepts a text only if encoding its bytes gives that text again", () => {
    const text = fc.string({ unit: fc.constantFrom(..."ABQgwxyz019-_+/= \n") });
    fc.assert(
      fc.property(text, (candidate) => {
        const bytes = decodeBase64url(candidate);
        if (bytes !== undefined) expect(encodeBase64url(bytes)).toBe(candidate);
        else expect(Buffer.from(candidate, "base64url").toString("base64url")).not.toBe(candidate);
      }),
      { numRuns: 2_000 },
    );
  });
});
