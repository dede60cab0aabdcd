import { createPublicKey } from "node:crypto";
import type { JWK } from "jose";
import { importVerificationKey } from "../../jwks/verification-key.js";
import { keyFingerprint } from "../../keys/thumbprint.js";
import { CredentialRefusedError } from "./credential-error.js";

/** A public key as it is recorded. */
export interface PublicKey {
  /** The defining members of the key alone. */
  readonly jwk: JWK;
  /** Base58 of the SHA-256 of its SPKI. */
  readonly fingerprint: string;
}

// RFC 7468 section 13. One block and nothing else: a second block, or text round it, would be taken for agreed upon.
const PUBLIC_KEY = /^\s*-----BEGIN PUBLIC KEY-----\s[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----\s*$/;

/**
 * Reads a public key from PEM (SPKI) and checks that it may verify tokens: EC P-256, P-384 or P-521, Ed25519, or RSA
 * from 2048 bits on.
 *
 * Rejects with {@link CredentialRefusedError} `invalid_key`; the message names `public_key_pem` and shows nothing of it.
 */
export async function parsePublicKeyPem(pem: string): Promise<PublicKey> {
  // Before anything parses it: Node would take a private key and derive the public one, and a secret that travelled
  // here is one no longer.
  if (pem.includes("PRIVATE KEY")) throw invalid("is a private key: send the public one, and replace this key pair");
  if (!PUBLIC_KEY.test(pem)) throw invalid("is not one PEM block labelled PUBLIC KEY");
  let exported: JWK;
  try {
    exported = createPublicKey({ key: pem, format: "pem", type: "spki" }).export({ format: "jwk" }) as JWK;
  } catch (cause) {
    throw invalid("is not a public key in SPKI form of a supported type", cause);
  }
  try {
    const fingerprint = await keyFingerprint(exported);
    await importVerificationKey({ ...exported, kid: fingerprint });
    return { jwk: exported, fingerprint };
  } catch (cause) {
    throw invalid(
      "is not a key that tokens may be signed with: EC P-256, P-384 or P-521, Ed25519, RSA of 2048 bits or more",
      cause,
    );
  }
}

function invalid(why: string, cause?: unknown): CredentialRefusedError {
  return new CredentialRefusedError("invalid_key", `public_key_pem ${why}`, { cause });
}
