import { encodeBase64url } from "../lib/base64url.js";

/** A part of a token before it is encoded: an object goes out as JSON, a text or bytes go out as they are. */
export type RawPart = string | Uint8Array | Readonly<Record<string, unknown>>;

/** Encodes one part of a token, whatever it is. */
export function encodePart(part: RawPart): string {
  if (part instanceof Uint8Array) return encodeBase64url(part);
  return encodeBase64url(toBytes(typeof part === "string" ? part : JSON.stringify(part)));
}

/** UTF-8 bytes of a text. */
export function toBytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
