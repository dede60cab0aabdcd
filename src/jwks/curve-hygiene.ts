import { decodeBase64url } from "../lib/base64url.js";
import { bytesToBigInt } from "../lib/rsa-soundness.js";

const EC_COORDINATE_BYTES: ReadonlyMap<unknown, number> = new Map([
  ["P-256", 32],
  ["P-384", 48],
  ["P-521", 66],
]);

const FIELD_25519 = 2n ** 255n - 19n;
const SIGN_BIT = 2n ** 255n;
const ORDER_8_Y = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
// The y coordinates of the points of order 1, 2, 4 and 8. With such a key, signatures verify that nobody made.
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([0n, 1n, FIELD_25519 - 1n, ORDER_8_Y, FIELD_25519 - ORDER_8_Y]);

/**
 * Tells whether the coordinates of an elliptic-curve key have the one length their curve allows. Whether the point lies
 * on the curve is found out by importing it.
 *
 * Spec: RFC 7518 section 6.2.1.
 */
export function hasEcCoordinates(jwk: { readonly crv?: unknown; readonly x?: unknown; readonly y?: unknown }): boolean {
  const bytes = EC_COORDINATE_BYTES.get(jwk.crv);
  return bytes !== undefined && decodeExactly(jwk.x, bytes) !== undefined && decodeExactly(jwk.y, bytes) !== undefined;
}

/**
 * Tells whether an Ed25519 public key is canonically encoded and not a point of small order.
 *
 * Spec: RFC 8037 section 2, RFC 8032 section 5.1.3.
 */
export function isSoundEd25519(jwk: { readonly x?: unknown }): boolean {
  const bytes = decodeExactly(jwk.x, 32);
  if (bytes === undefined) return false;
  const y = bytesToBigInt(bytes.toReversed()) % SIGN_BIT;
  return y < FIELD_25519 && !SMALL_ORDER_Y.has(y);
}

function decodeExactly(text: unknown, bytes: number): Uint8Array | undefined {
  if (typeof text !== "string" || text.length > Math.ceil((bytes * 4) / 3)) return undefined;
  const decoded = decodeBase64url(text);
  return decoded?.length === bytes ? decoded : undefined;
}
