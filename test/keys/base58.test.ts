import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeBase58 } from "../../src/keys/base58.js";

// Published with the draft of the encoding (draft-msporny-base58, section 5).
const VECTORS = [
  ["Hello World!", "2NEpo7TZRRrLZSi2U"],
  ["The quick brown fox jumps over the lazy dog.", "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z"],
  ["", ""],
] as const;

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

describe("encodeBase58()", () => {
  it.each(VECTORS)("encodes the published vector %j", (text, encoded) => {
    expect(encodeBase58(new TextEncoder().encode(text))).toBe(encoded);
  });

  it("writes a 1 for each leading zero byte", () => {
    expect(encodeBase58(Uint8Array.of(0x00, 0x00, 0x28, 0x7f, 0xb4, 0xcd))).toBe("11233QC4");
    expect(encodeBase58(new Uint8Array(3))).toBe("111");
  });

  it("loses nothing: the bytes can be computed back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 48 }), (bytes) => {
        expect(decode(encodeBase58(bytes))).toEqual([...bytes]);
      }),
    );
  });
});

/** Digit by digit, in the way taught at school: not how the encoder works. */
function decode(text: string): number[] {
  const bytes: number[] = [];
  for (const letter of text) {
    let carry = ALPHABET.indexOf(letter);
    for (let index = bytes.length - 1; index >= 0; index--) {
      carry += (bytes[index] ?? 0) * 58;
      bytes[index] = carry & 0xff;
      carry >>= 8;
    }
    for (; carry > 0; carry >>= 8) bytes.unshift(carry & 0xff);
  }
  const zeros = /^1*/.exec(text)?.[0].length ?? 0;
  return [...new Array<number>(zeros).fill(0), ...bytes];
}
