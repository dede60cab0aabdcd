import { decodeBase64url } from "../lib/base64url.js";

const MIN_BITS = 2_048;
const MAX_BITS = 8_192;
const MIN_EXPONENT = 65_537n;
// No issuer uses more; a huge exponent makes each signature check slow.
const MAX_EXPONENT = 2n ** 32n;
// One digit more than the longest modulus needs; longer texts are refused before they are decoded.
const MAX_MODULUS_TEXT = Math.ceil(MAX_BITS / 6) + 2;
const MAX_EXPONENT_TEXT = 16;

// Primes by which the moduli of CVE-2017-15361 give themselves away: modulo each, they are powers of 65537. One in
// 2^27 sound moduli looks the same.
const ROCA_PRIMES = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
const ROCA_RESIDUES = ROCA_PRIMES.map((prime) => ({ prime: BigInt(prime), residues: powersOf65537(prime) }));

/**
 * Tells whether an RSA public key is one that only its owner can sign for: long enough, short enough to check quickly,
 * with an odd modulus and a sound exponent, and not from the generator of CVE-2017-15361.
 *
 * An exponent of 1 would make every signature verify.
 *
 * Spec: RFC 7518 sections 3.3 and 6.3.1.
 */
export function isSoundRsa(jwk: { readonly n?: unknown; readonly e?: unknown }): boolean {
  const modulus = toBigInt(jwk.n, MAX_MODULUS_TEXT);
  const exponent = toBigInt(jwk.e, MAX_EXPONENT_TEXT);
  if (modulus === undefined || exponent === undefined) return false;
  return (
    isSoundSize(modulus.toString(2).length) && modulus % 2n === 1n && isSoundExponent(exponent) && !isRoca(modulus)
  );
}

/** Tells whether a modulus of this many bits is acceptable. */
export function isSoundSize(bits: number): boolean {
  return bits >= MIN_BITS && bits <= MAX_BITS;
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
