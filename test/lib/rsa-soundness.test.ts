import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encodeBase64url } from "../../src/lib/base64url.js";
import { bytesToBigInt, findRsaFlaw, isSoundExponent, isSoundSize, RSA_BITS } from "../../src/lib/rsa-soundness.js";

const SOUND_E = "AQAB";

/** An odd modulus of so many bits that no generator left its mark on. */
function modulus(bits: number): string {
  const bytes = new Uint8Array(Math.ceil(bits / 8)).fill(0xff);
  bytes[0] = 2 ** (((bits - 1) % 8) + 1) - 1;
  return encodeBase64url(bytes);
}

describe("findRsaFlaw()", () => {
  it("finds none in a key of an ordinary generator", () => {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
    expect(findRsaFlaw(publicKey.export({ format: "jwk" }))).toBeUndefined();
  });

  it.each([
    [RSA_BITS.min - 1, "size"],
    [RSA_BITS.min, undefined],
    [RSA_BITS.max, undefined],
    [RSA_BITS.max + 1, "size"],
    [2 * RSA_BITS.max, "size"],
  ])("C4, C8: calls a modulus of %i bits %s", (bits, flaw) => {
    expect(findRsaFlaw({ n: modulus(bits), e: SOUND_E })).toBe(flaw);
  });

  it("C4: counts the bits of the number, not those of zeros before it", () => {
    const short = Buffer.from(modulus(1_024), "base64url");
    const padded = encodeBase64url(Buffer.concat([Buffer.alloc(128), short]));
    expect(findRsaFlaw({ n: padded, e: SOUND_E })).toBe("size");
  });

  it("C8: does not decode what is far too long", () => {
    const huge = "_".repeat(20_000_000);
    const sound = modulus(2_048);
    const startedAtMs = performance.now();
    expect(findRsaFlaw({ n: huge, e: SOUND_E })).toBe("unreadable");
    expect(findRsaFlaw({ n: sound, e: huge })).toBe("unreadable");
    expect(performance.now() - startedAtMs).toBeLessThan(250);
  });

  it.each([undefined, null, "", 7, ["AQAB"], "AQAB=", " AQAB", "AQ+B", "AQABA"])(
    "calls %o for a number unreadable, whichever of the two it is",
    (text) => {
      expect(findRsaFlaw({ n: text, e: SOUND_E })).toBe("unreadable");
      expect(findRsaFlaw({ n: modulus(2_048), e: text })).toBe("unreadable");
    },
  );

  it("C5: calls an even modulus, and an exponent out of range, what they are", () => {
    const even = Buffer.from(modulus(2_048), "base64url");
    even[even.length - 1] = 0xfe;
    expect(findRsaFlaw({ n: encodeBase64url(even), e: SOUND_E })).toBe("modulus");
    expect(findRsaFlaw({ n: modulus(2_048), e: "AQ" })).toBe("exponent");
    expect(findRsaFlaw({ n: modulus(2_048), e: "Aw" })).toBe("exponent");
  });
});

describe("isSoundExponent()", () => {
  it("takes odd exponents from 65537 to below 2^32", () => {
    for (const sound of [65_537n, 65_539n, 2n ** 32n - 1n]) expect(isSoundExponent(sound)).toBe(true);
    for (const bad of [-1n, 0n, 1n, 3n, 65_535n, 65_538n, 2n ** 32n, 2n ** 32n + 1n]) {
      expect(isSoundExponent(bad)).toBe(false);
    }
  });
});

describe("isSoundSize()", () => {
  it("takes the bounds themselves", () => {
    expect([2_047, 2_048, 8_192, 8_193].map(isSoundSize)).toEqual([false, true, true, false]);
  });
});

describe("bytesToBigInt()", () => {
  it("reads the most significant byte first, and nothing as 0", () => {
    expect(bytesToBigInt(Uint8Array.of(1, 0, 10))).toBe(65_546n);
    expect(bytesToBigInt(Uint8Array.of(0, 0, 1))).toBe(1n);
    expect(bytesToBigInt(new Uint8Array())).toBe(0n);
  });
});
