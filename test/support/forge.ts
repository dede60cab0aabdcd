import { createHmac } from "node:crypto";
import { bytesOf, encodePart } from "./raw-token.js";

/** Puts a compact JWS together from anything, with any signature. */
export function forge(header: unknown, payload: unknown, signature: string | Uint8Array = ""): string {
  const bytes = typeof signature === "string" ? bytesOf(signature) : new Uint8Array(signature);
  return `${signingInput(header, payload)}.${encodePart(bytes)}`;
}

/** Puts a compact JWS together and signs it with HMAC, whatever its header says. */
export function forgeHmac(header: unknown, payload: unknown, key: string | Uint8Array): string {
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

function signingInput(header: unknown, payload: unknown): string {
  const encode = (part: unknown): string => encodePart(typeof part === "string" ? bytesOf(part) : part);
  return `${encode(header)}.${encode(payload)}`;
}
