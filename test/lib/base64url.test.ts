import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { decodeBase64url, encodeBase64url } from "../../src/lib/base64url.js";

afterEach(() => {
  vi.unstubAllGlobals();
});

/** The spelling that another encoder gives to what another decoder reads; undefined when that cannot read it. */
function respell(text: string): string | undefined {
  if (text.length % 4 === 1) return undefined;
  return btoa(atob(text.replaceAll("-", "+").replaceAll("_", "/")))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

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

  it.each(["Node.js", "a browser"])("B13: holds of long texts too, in %s", (platform) => {
    if (platform === "a browser") vi.stubGlobal("Buffer", undefined);
    const bytes = fc.uint8Array({ minLength: 90, maxLength: 300 });
    const splice = fc.tuple(
      fc.nat(),
      fc.nat(1),
      fc.string({ unit: fc.constantFrom(..."AQx-_+/=. \n\u0141"), maxLength: 2 }),
    );
    fc.assert(
      fc.property(bytes, splice, (content, [at, deleted, inserted]) => {
        const good = encodeBase64url(content);
        expect(decodeBase64url(good)).toEqual(content);
        const from = at % (good.length + 1);
        const candidate = good.slice(0, from) + inserted + good.slice(from + deleted);
        const decoded = decodeBase64url(candidate);
        const isCanonical = /^[A-Za-z0-9_-]*$/.test(candidate) && respell(candidate) === candidate;
        expect(decoded && encodeBase64url(decoded)).toBe(isCanonical ? candidate : undefined);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(["Node.js", "a browser"])("reverses encodeBase64url() for a part of an array, in %s", (platform) => {
    if (platform === "a browser") vi.stubGlobal("Buffer", undefined);
    const all = Uint8Array.from({ length: 400 }, (_, index) => index % 256);
    const part = all.subarray(37, 300);
    expect(decodeBase64url(encodeBase64url(part))).toEqual(Uint8Array.from(part));
  });

  it("gives bytes that share no memory with those of another text", () => {
    const text = encodeBase64url(new Uint8Array(300));
    expect(decodeBase64url(text)?.buffer).toHaveProperty("byteLength", 300);
  });
});
