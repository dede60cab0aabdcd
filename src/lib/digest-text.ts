import { encodeBase64url } from "./base64url.js";

/**
 * Gives the SHA-256 digest of a text in UTF-8. Works in browsers; where there is Node.js alone, `hash` of `node:crypto`
 * gives that of a short text many times as fast.
 *
 * @returns 43 characters of base64url.
 */
export async function digestText(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return encodeBase64url(new Uint8Array(digest));
}
