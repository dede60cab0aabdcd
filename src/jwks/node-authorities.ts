import { X509Certificate } from "node:crypto";
import { typeName } from "../lib/options.js";

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;

/**
 * Reads certificates of authorities.
 *
 * @param ca - PEM, each text with one certificate or several.
 * @param field - What they are called in error messages, such as `options.ca`.
 * @returns One PEM text per certificate.
 * @throws TypeError naming the entry that holds no certificate, one that cannot be read, or something else, such as a
 * private key.
 */
export function parseAuthorities(
  ca: string | Uint8Array | readonly (string | Uint8Array)[],
  field: string,
): readonly string[] {
  if (!Array.isArray(ca)) return parseBundle(ca, field);
  if (ca.length === 0) throw new TypeError(`${field} must not be empty`);
  return ca.flatMap((entry: unknown, index) => parseBundle(entry, `${field}[${index}]`));
}

function parseBundle(bundle: unknown, field: string): readonly string[] {
  if (typeof bundle !== "string" && !(bundle instanceof Uint8Array)) {
    throw new TypeError(`${field} must be a string or Buffer, got ${typeName(bundle)}`);
  }
  const text = typeof bundle === "string" ? bundle : new TextDecoder().decode(bundle);
  const blocks = [...text.matchAll(PEM_BLOCK)];
  if (blocks.length === 0) throw new TypeError(`${field} must hold certificates in PEM form`);
  return blocks.map(([block, label]) => {
    if (label !== "CERTIFICATE") throw new TypeError(`${field} must hold nothing but certificates`);
    try {
      return new X509Certificate(block).toString();
    } catch {
      throw new TypeError(`${field} must hold certificates in PEM form, and one of them cannot be read`);
    }
  });
}
