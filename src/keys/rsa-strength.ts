import type { JWK } from "jose";
import { CredentialError } from "../errors.js";
import { decodeBase64url } from "../lib/base64url.js";

const MIN_BITS = 2048;
const MAX_BITS = 8192;
const MIN_EXPONENT = 65537n;

/**
 * Throws {@link CredentialError} `ERR_KEY_WEAK` for an RSA key that careful verifiers refuse, ours among them, and
 * `ERR_KEY_INVALID` for one without a modulus or exponent.
 *
 * Spec: RFC 7518 section 3.3 (at least 2048 bits).
 */
export function assertStrongRsa(jwk: JWK): void {
  const bits = toBigInt(jwk.n).toString(2).length;
  if (bits < MIN_BITS || bits > MAX_BITS) {
    throw new CredentialError("ERR_KEY_WEAK", `An RSA key must have ${MIN_BITS} to ${MAX_BITS} bits, this has ${bits}`);
  }
  const exponent = toBigInt(jwk.e);
  if (exponent < MIN_EXPONENT || exponent % 2n === 0n) {
    throw new CredentialError("ERR_KEY_WEAK", `The public exponent of an RSA key must be odd and at least 65537`);
  }
}

function toBigInt(text: unknown): bigint {
  const bytes = typeof text === "string" ? decodeBase64url(text) : undefined;
  if (bytes === undefined || bytes.length === 0) {
    throw new CredentialError("ERR_KEY_INVALID", 'The "n" or "e" of the RSA key is missing or not base64url');
  }
  return BigInt(`0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`);
}
