import { generateKeyPairSync, type JsonWebKey } from "node:crypto";
import { describe, expect, it } from "vitest";
import { hasEcCoordinates, isSoundEd25519 } from "../../src/jwks/curve-hygiene.js";
import { encodeBase64url } from "../../src/lib/base64url.js";

function ecKey(namedCurve: string): JsonWebKey {
  return generateKeyPairSync("ec", { namedCurve }).publicKey.export({ format: "jwk" });
}

/** An encoded y coordinate: 32 bytes, the least significant first. */
function littleEndian(y: bigint): string {
  return encodeBase64url(Buffer.from(y.toString(16).padStart(64, "0"), "hex").reverse());
}

describe("hasEcCoordinates()", () => {
  it.each([
    ["P-256", 32],
    ["P-384", 48],
    ["P-521", 66],
  ])("C7: takes coordinates of %s of exactly %i bytes", (crv, bytes) => {
    const { x, y } = ecKey(crv);
    expect(hasEcCoordinates({ crv, x, y })).toBe(true);
    for (const length of [0, 1, bytes - 1, bytes + 1, 2 * bytes]) {
      const other = encodeBase64url(new Uint8Array(length).fill(1));
      expect(hasEcCoordinates({ crv, x: other, y }), `x of ${length} bytes`).toBe(false);
      expect(hasEcCoordinates({ crv, x, y: other }), `y of ${length} bytes`).toBe(false);
    }
  });

  it.each(["P-192", "secp256k1", "p-256", "", "__proto__", undefined, null, 256, ["P-256"]])(
    "C7: takes no coordinates on the curve %o",
    (crv) => {
      const { x, y } = ecKey("P-256");
      expect(hasEcCoordinates({ crv, x, y })).toBe(false);
    },
  );

  it("C7: takes coordinates in their one spelling alone", () => {
    const { x = "", y = "" } = ecKey("P-256");
    // The last character carries two bits that must be zero.
    const spelling = x.slice(0, -1) + String.fromCharCode(x.charCodeAt(x.length - 1) + 1);
    for (const bad of [spelling, `${x}=`, ` ${x}`, undefined, null, 7, [x]]) {
      expect(hasEcCoordinates({ crv: "P-256", x: bad, y })).toBe(false);
    }
  });
});

describe("isSoundEd25519()", () => {
  const field = 2n ** 255n - 19n;

  it("takes keys of an ordinary generator, whichever sign their x has", () => {
    for (let count = 0; count < 16; count++) {
      const { x } = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
      expect(isSoundEd25519({ x })).toBe(true);
    }
  });

  it("C7: takes no point of small order, with either sign", () => {
    const order8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
    for (const y of [0n, 1n, field - 1n, order8, field - order8]) {
      expect(isSoundEd25519({ x: littleEndian(y) })).toBe(false);
      expect(isSoundEd25519({ x: littleEndian(y + 2n ** 255n) })).toBe(false);
    }
  });

  it("C7: takes no y that is not reduced, the last reduced one excepted", () => {
    for (let y = field; y < 2n ** 255n; y++) expect(isSoundEd25519({ x: littleEndian(y) })).toBe(false);
    expect(isSoundEd25519({ x: littleEndian(field - 2n) })).toBe(true);
  });

  it.each([
    undefined,
    null,
    "",
    7,
    encodeBase64url(new Uint8Array(31).fill(9)),
    encodeBase64url(new Uint8Array(33).fill(9)),
  ])("C7: takes no key that is %o", (x) => {
    expect(isSoundEd25519({ x })).toBe(false);
  });
});
