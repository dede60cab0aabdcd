import { createHmac } from "node:crypto";
import { encodePart, type RawPart } from "../../src/testing/raw-part.js";

/** Puts a compact JWS together from anything, with any signature. */
export function forge(header: RawPart, payload: RawPart, signature: string | Uint8Array = ""): string {
  return `${signingInput(header, payload)}.${encodePart(signature)}`;
}

/** A token with a signature of 64 bytes that verifies under no key. */
export function unsignedToken({ header, payload }: { readonly header: RawPart; readonly payload: RawPart }): string {
  return forge(header, payload, new Uint8Array(64));
}

/** Puts a compact JWS together and signs it with HMAC, whatever its header says. */
export function forgeHmac(header: RawPart, payload: RawPart, key: string | Uint8Array): string {
  const signature = createHmac("sha256", key).update(signingInput(header, payload)).digest();
  return forge(header, payload, signature);
}

/** The parts of a compact JWS, decoded. */
export function takeApart(token: string): {
  readonly header: Record<string, unknown>;
  readonly payload: Record<string, unknown>;
  readonly signature: Uint8Array;
} {
  const [header = "", payload = "", signature = ""] = token.split(".");
  const parse = (text: string): Record<string, unknown> => JSON.parse(Buffer.from(text, "base64url").toString());
  return { header: parse(header), payload: parse(payload), signature: Buffer.from(signature, "base64url") };
}

function signingInput(header: RawPart, payload: RawPart): string {
  return `${encodePart(header)}.${encodePart(payload)}`;
}
