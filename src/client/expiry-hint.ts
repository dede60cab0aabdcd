import { decodeBase64url } from "../lib/base64url.js";
import { readClaim } from "../token/claims.js";
import { parseStrictJsonObject } from "../token/strict-json.js";

/**
 * Reads when a token says that it expires, unverified: a hint for whoever keeps it, the server decides. Its header is not
 * looked at, for a token of rules that are not ours expires too.
 *
 * Spec: RFC 7519 section 4.1.4.
 *
 * @returns "exp" in milliseconds since the epoch; undefined when the token is no JWT or does not say.
 */
export function readExpiryHintMs(token: string): number | undefined {
  const [, payload = "", ...rest] = token.split(".");
  const bytes = rest.length === 1 ? decodeBase64url(payload) : undefined;
  const claims = bytes && parseStrictJsonObject(bytes);
  const expiresAt = claims && readClaim(claims, "exp");
  return typeof expiresAt === "number" ? expiresAt * 1_000 : undefined;
}
