/** Base64url without padding, as RFC 7515 section 2 defines it: one text per byte string, every other text refused. */

const TEXT = /^[A-Za-z0-9_-]*$/;

/**
 * Decodes canonical base64url.
 *
 * @returns The bytes, or undefined when the text has padding, white space, a foreign character, an impossible length,
 * or unused bits that are not zero.
 */
export function decodeBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!TEXT.test(text) || text.length % 4 === 1) return undefined;
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  // A spelling with other unused bits would decode to the same bytes: one token, two texts.
  return encodeBase64url(bytes) === text ? bytes : undefined;
}

/** Encodes bytes as base64url without padding. */
export function encodeBase64url(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
