import { encodePart } from "../../src/testing/raw-part.js";
import { takeApart } from "./forge.js";

/** Order of the base point of P-256. */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
/** Order of the base point of Ed25519. */
const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

/** Gives a token, signed with ES256, its other signature: (r, n - s) in place of (r, s). Needs no key. */
export function negateEcdsa(token: string): string {
  return withSignature(token, ([r, s]) => [r, toBytes(P256_ORDER - toBigInt(s))]);
}

/** Gives a token, signed with EdDSA, a signature of the same equation: S + L in place of S. Needs no key. */
export function addEd25519Order(token: string): string {
  return withSignature(token, ([r, s]) => [r, toBytes(toBigInt(s.toReversed()) + ED25519_ORDER).toReversed()]);
}

function withSignature(
  token: string,
  change: (halves: readonly [Uint8Array, Uint8Array]) => readonly [Uint8Array, Uint8Array],
): string {
  const { signature } = takeApart(token);
  const changed = change([signature.subarray(0, 32), signature.subarray(32)]);
  return `${token.slice(0, token.lastIndexOf("."))}.${encodePart(new Uint8Array(Buffer.concat(changed)))}`;
}

function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

function toBytes(value: bigint): Uint8Array {
  return Buffer.from(value.toString(16).padStart(64, "0"), "hex");
}
