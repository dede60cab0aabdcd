import { decodeBase64url } from "./base64url.js";

/** Least and greatest size of an acceptable modulus. */
export const RSA_BITS = { min: 2_048, max: 8_192 } as const;
const MIN_EXPONENT = 65_537n;
// No issuer uses more; a huge exponent makes each signature check slow.
const MAX_EXPONENT = 2n ** 32n;
// Room for a modulus that is too long to be told so; beyond that nothing is decoded.
const MAX_MODULUS_TEXT = Math.ceil((4 * RSA_BITS.max) / 6);
const MAX_EXPONENT_TEXT = 16;

// Primes by which the moduli of CVE-2017-15361 give themselves away: modulo each, they are powers of 65537. One in
// 2^27 sound moduli looks the same.
const ROCA_PRIMES = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
const ROCA_RESIDUES = ROCA_PRIMES.map((prime) => ({ prime: BigInt(prime), residues: powersOf65537(prime) }));

/** What is wrong with an RSA key: its numbers cannot be read, or one of them is not acceptable. */
export type RsaFlaw = "unreadable" | "size" | "exponent" | "modulus";

/**
 * Says why an RSA public key is not one that only its owner can sign for; undefined for a sound one: long enough, short
 * enough to check quickly, with an odd modulus and a sound exponent, and not from the generator of CVE-2017-15361.
 *
 * An exponent of 1 would make every signature verify.
 *
 * Spec: RFC 7518 sections 3.3 and 6.3.1.
 *
 * @param key - Modulus and exponent as a JWK has them.
 */
export function findRsaFlaw(key: { readonly n?: unknown; readonly e?: unknown }): RsaFlaw | undefined {
  const modulus = toBigInt(key.n, MAX_MODULUS_TEXT);
  const exponent = toBigInt(key.e, MAX_EXPONENT_TEXT);
  if (modulus === undefined || exponent === undefined) return "unreadable";
  if (!isSoundSize(modulus.toString(2).length)) return "size";
  if (!isSoundExponent(exponent)) return "exponent";
  return modulus % 2n === 0n || isRoca(modulus) ? "modulus" : undefined;
}

/** Tells whether a modulus of this many bits is acceptable. */
export function isSoundSize(bits: number): boolean {
  return bits >= RSA_BITS.min && bits <= RSA_BITS.max;
}

/** Tells whether a public exponent is acceptable. */
export function isSoundExponent(exponent: bigint): boolean {
  return exponent >= MIN_EXPONENT && exponent < MAX_EXPONENT && exponent % 2n === 1n;
}

/** Reads an unsigned number, most significant byte first. */
export function bytesToBigInt(bytes: Uint8Array): bigint {
  let hex = "0x0";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return BigInt(hex);
}

function toBigInt(text: unknown, maxLength: number): bigint | undefined {
  if (typeof text !== "string" || text === "" || text.length > maxLength) return undefined;
  const bytes = decodeBase64url(text);
  return bytes && bytesToBigInt(bytes);
}

function isRoca(modulus: bigint): boolean {
  return ROCA_RESIDUES.every(({ prime, residues }) => residues.has(Number(modulus % prime)));
}

function powersOf65537(prime: number): ReadonlySet<number> {
  const residues = new Set<number>();
  for (let power = 1; !residues.has(power); power = (power * 65_537) % prime) residues.add(power);
  return residues;
}
