import { encodeBase64url } from "../../src/lib/base64url.js";

/** UTF-8 bytes of a text. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** One part of a token: bytes as they are, everything else as JSON. */
export function encodePart(part: unknown): string {
  return encodeBase64url(part instanceof Uint8Array ? part : bytesOf(JSON.stringify(part)));
}

/** A token with a signature of 64 bytes that verifies under no key. */
export function unsignedToken(parts: { readonly header: unknown; readonly payload: unknown }): string {
  return `${encodePart(parts.header)}.${encodePart(parts.payload)}.${encodePart(new Uint8Array(64))}`;
}
