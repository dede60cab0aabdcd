import { hash } from "node:crypto";
import type { RevocationName } from "./revocation-entry.js";

/** What keys begin with unless configured otherwise. */
export const REVOCATION_KEY_PREFIX = "latchkey:revoked:";

/**
 * Gives the key under which a {@link createStoredRevocation} looks for what is revoked, for others that write to the
 * same store: a prefix and, in base64url, the SHA-256 of the JSON array of the three texts, without white space.
 *
 * The array keeps the texts apart whatever they are made of. The digest keeps what a token says out of the store.
 *
 * @example
 * ```ts
 * import { revocationKey } from "latchkey/verify";
 *
 * const store = new Map<string, string>();
 * store.set(revocationKey("subject", "https://idp.example", "alice"), String(Date.now() / 1_000));
 * ```
 *
 * @param by - What kind of name it is.
 * @param issuer - "iss".
 * @param name - "jti", "kid" or "sub".
 * @param keyPrefix - First part of the key.
 */
export function revocationKey(
  by: RevocationName,
  issuer: string,
  name: string,
  keyPrefix: string = REVOCATION_KEY_PREFIX,
): string {
  return keyPrefix + hash("sha256", JSON.stringify([by, issuer, name]), "base64url");
}
