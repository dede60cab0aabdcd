import { calculateJwkThumbprint, importJWK, type JWK } from "jose";
import { CredentialError } from "../errors.js";
import { algorithmsForKey } from "../token/algorithms.js";
import { encodeBase58 } from "./base58.js";

/**
 * Gives the SHA-256 thumbprint of a key: the same for its public and its private JWK, whatever else they state.
 *
 * Rejects with {@link CredentialError} `ERR_KEY_INVALID` when a required member is missing.
 *
 * Spec: RFC 7638 section 3.
 *
 * @returns 43 characters of base64url.
 */
export async function jwkThumbprint(jwk: JWK): Promise<string> {
  try {
    return await calculateJwkThumbprint(jwk, "sha256");
  } catch (cause) {
    throw new CredentialError("ERR_KEY_INVALID", "The JWK lacks a member of its key type", { cause });
  }
}

/**
 * Gives the fingerprint that names a credential: Base58 of the SHA-256 digest of the public key in SPKI DER. Unlike a
 * thumbprint it can be computed from a PEM file with common tools:
 * `openssl pkey -pubin -in key.pem -outform DER | sha256sum`.
 *
 * Rejects with {@link CredentialError} `ERR_KEY_INVALID` or `ERR_KEY_ALGORITHM` when the JWK makes no public key.
 *
 * Spec: RFC 5280 section 4.1 (SubjectPublicKeyInfo).
 *
 * @param jwk - A public key; of a private one, only the public part counts.
 * @returns 32 to 44 characters, nearly always 43 or 44.
 */
export async function keyFingerprint(jwk: JWK): Promise<string> {
  const [algorithm] = algorithmsForKey({ kty: jwk.kty, crv: jwk.crv });
  if (algorithm === undefined) {
    throw new CredentialError("ERR_KEY_ALGORITHM", "The type or curve of the key is not supported");
  }
  const { kty, crv, x, y, n, e } = jwk;
  const members = { kty, crv, x, y, n, e };
  const present = Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
  try {
    const key = (await importJWK(present, algorithm, { extractable: true })) as CryptoKey;
    const der = await crypto.subtle.exportKey("spki", key);
    return encodeBase58(new Uint8Array(await crypto.subtle.digest("SHA-256", der)));
  } catch (cause) {
    throw new CredentialError("ERR_KEY_INVALID", "The JWK is damaged: its members do not make a key", { cause });
  }
}

// 32 bytes in Base58. Nearly all have 43 or 44 characters; a digest that begins with zeros has fewer.
const FINGERPRINT = /^[1-9A-HJ-NP-Za-km-z]{32,44}$/;

/** Tells whether a text has the form of a {@link keyFingerprint}. */
export function isFingerprint(text: string): boolean {
  return FINGERPRINT.test(text);
}
