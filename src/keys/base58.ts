const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/**
 * Encodes bytes as Base58 with Bitcoin's alphabet: text that survives double-clicking and reading aloud (no 0, O, I, l).
 *
 * Cost grows with the square of the length: for digests, not for documents.
 */
export function encodeBase58(bytes: Uint8Array): string {
  let number = 0n;
  for (const byte of bytes) number = number * 256n + BigInt(byte);
  let digits = "";
  for (; number > 0n; number /= 58n) digits = ALPHABET.charAt(Number(number % 58n)) + digits;
  // A leading zero byte adds nothing to the number; it is written as the first letter, so that lengths stay apart.
  const firstNonZero = bytes.findIndex((byte) => byte !== 0);
  return ALPHABET.charAt(0).repeat(firstNonZero === -1 ? bytes.length : firstNonZero) + digits;
}
