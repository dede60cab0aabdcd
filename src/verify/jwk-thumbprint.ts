import { hash } from "node:crypto";

// RFC 7638 section 3.2 and RFC 8037 section 2, in the order that is hashed.
const REQUIRED_MEMBERS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ["EC", ["crv", "kty", "x", "y"]],
  ["OKP", ["crv", "kty", "x"]],
  ["RSA", ["e", "kty", "n"]],
]);

/**
 * Gives the SHA-256 thumbprint of a key, whatever else its JWK states. At once: WebCrypto would take fifty times as long
 * to hand such a short text to another thread.
 *
 * Spec: RFC 7638 section 3.
 *
 * @param jwk - An object as JSON has it.
 * @returns 43 characters of base64url; undefined when a member of its key type is missing or is no text.
 */
export function jwkThumbprint(jwk: Readonly<Record<string, unknown>>): string | undefined {
  const names = REQUIRED_MEMBERS.get(jwk["kty"]);
  if (names?.every((name) => Object.hasOwn(jwk, name) && typeof jwk[name] === "string") !== true) return undefined;
  return hash("sha256", JSON.stringify(jwk, [...names]), "base64url");
}
