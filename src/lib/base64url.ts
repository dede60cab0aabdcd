/** Base64url without padding, as RFC 7515 section 2 defines it: one text per byte string, every other text refused. */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const FOREIGN = 0xff;
const VALUES = new Uint8Array(128).fill(FOREIGN);
for (let value = 0; value < ALPHABET.length; value++) VALUES[ALPHABET.charCodeAt(value)] = value;

// Browsers have no Buffer, or one that a bundler put there and that does not know base64url.
const NATIVE: typeof Buffer | undefined =
  globalThis.Buffer?.isEncoding?.("base64url") === true ? globalThis.Buffer : undefined;

// From here on Node's own decoder is faster than the loop, by up to ten times.
const LONG_TEXT = 128;

/**
 * Decodes canonical base64url.
 *
 * @returns The bytes, or undefined when the text has padding, white space, a foreign character, an impossible length,
 * or unused bits that are not zero: such a text would be a second spelling of the same bytes.
 */
export function decodeBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  return NATIVE === undefined || text.length < LONG_TEXT ? decodeByTable(text) : decodeNatively(text, NATIVE);
}

/** Node takes any spelling, base64 and padding too: the one that it writes is the canonical one. */
function decodeNatively(text: string, native: typeof Buffer): Uint8Array<ArrayBuffer> | undefined {
  const bytes = native.from(text, "base64url");
  // A copy, since Node keeps the bytes of several texts in one ArrayBuffer.
  return bytes.toString("base64url") === text ? new Uint8Array(bytes) : undefined;
}

function decodeByTable(text: string): Uint8Array<ArrayBuffer> | undefined {
  const rest = text.length % 4;
  if (rest === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let buffer = 0;
  let bits = 0;
  let written = 0;
  for (let index = 0; index < text.length; index++) {
    const value = VALUES[text.charCodeAt(index)] ?? FOREIGN;
    if (value === FOREIGN) return undefined;
    buffer = (buffer << 6) | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[written++] = buffer >> bits;
      buffer &= (1 << bits) - 1;
    }
  }
  return buffer === 0 ? bytes : undefined;
}

/** Encodes bytes as base64url without padding. */
export function encodeBase64url(bytes: Uint8Array): string {
  if (NATIVE !== undefined) return NATIVE.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64url");
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
