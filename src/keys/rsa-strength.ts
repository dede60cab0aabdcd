import type { JWK } from "jose";
import { CredentialError } from "../errors.js";
import { findRsaFlaw, RSA_BITS, type RsaFlaw } from "../lib/rsa-soundness.js";

const WEAKNESSES: Readonly<Record<Exclude<RsaFlaw, "unreadable">, string>> = {
  size: `An RSA key must have ${RSA_BITS.min} to ${RSA_BITS.max} bits; make another one`,
  exponent: "The public exponent of an RSA key must be odd and at least 65537; make another key",
  modulus: "The modulus of the RSA key is one that others can factor; make another key",
};

/**
 * Throws {@link CredentialError} `ERR_KEY_WEAK` for an RSA key that careful verifiers refuse, ours among them, and
 * `ERR_KEY_INVALID` for one without a modulus or exponent.
 *
 * Spec: RFC 7518 section 3.3 (at least 2048 bits).
 */
export function assertStrongRsa(jwk: JWK): void {
  const flaw = findRsaFlaw(jwk);
  if (flaw === undefined) return;
  if (flaw !== "unreadable") throw new CredentialError("ERR_KEY_WEAK", WEAKNESSES[flaw]);
  throw new CredentialError("ERR_KEY_INVALID", 'The "n" or "e" of the RSA key is missing or not base64url');
}
