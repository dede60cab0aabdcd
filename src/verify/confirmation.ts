import { hash } from "node:crypto";
import { TokenRejectedError } from "../errors.js";
import { decodeBase64url } from "../lib/base64url.js";
import type { Claims } from "../token/claims.js";

/** What has to be proven beside a token; where both are given, both. */
export interface Confirmation {
  /** SHA-256 thumbprint of the key that signs the proofs of calls ("jkt"); undefined: no proof is asked for. */
  readonly keyThumbprint: string | undefined;
  /** SHA-256 of the certificate of the connection ("x5t#S256"); undefined: no certificate is asked for. */
  readonly certificateThumbprint: string | undefined;
}

const KEY_MEMBER = "jkt";
const CERTIFICATE_MEMBER = "x5t#S256";
const DIGEST_BYTES = 32;
// 32 bytes in base64url.
const DIGEST_TEXT = 43;

/**
 * Reads the "cnf" claim: what a token is bound to, so that who stole it has nothing.
 *
 * What cannot be checked is not passed over: a token whose "cnf" is empty, malformed, or names any other way of
 * confirming, even beside one that is known, is refused.
 *
 * Spec: RFC 7800 section 3, RFC 8705 section 3.1, RFC 9449 section 6.1.
 *
 * @returns Undefined for a token that is bound to nothing.
 * @throws TokenRejectedError `ERR_TOKEN_BOUND`.
 */
export function readConfirmation(claims: Claims): Confirmation | undefined {
  if (!Object.hasOwn(claims, "cnf")) return undefined;
  const cnf = claims["cnf"];
  if (typeof cnf !== "object" || cnf === null || Array.isArray(cnf)) throw unknownBinding();
  const names = Object.keys(cnf);
  if (names.length === 0 || names.some((name) => name !== KEY_MEMBER && name !== CERTIFICATE_MEMBER)) {
    throw unknownBinding();
  }
  return Object.freeze({
    keyThumbprint: readDigest(cnf as Claims, KEY_MEMBER),
    certificateThumbprint: readDigest(cnf as Claims, CERTIFICATE_MEMBER),
  });
}

/**
 * Gives the thumbprint of a certificate, as "x5t#S256" has it.
 *
 * Spec: RFC 8705 section 3.1.
 *
 * @param der - The certificate in DER, such as `raw` of Node's peer certificates.
 * @returns 43 characters of base64url.
 */
export function certificateThumbprint(der: Uint8Array): string {
  return hash("sha256", der, "base64url");
}

function readDigest(cnf: Claims, name: string): string | undefined {
  if (!Object.hasOwn(cnf, name)) return undefined;
  const digest = cnf[name];
  // One spelling only, since thumbprints are compared as texts.
  if (typeof digest !== "string" || digest.length !== DIGEST_TEXT) throw unknownBinding();
  if (decodeBase64url(digest)?.length !== DIGEST_BYTES) throw unknownBinding();
  return digest;
}

function unknownBinding(): TokenRejectedError {
  return new TokenRejectedError("ERR_TOKEN_BOUND", "The token is bound to something that cannot be checked");
}
