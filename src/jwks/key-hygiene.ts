import { findRsaFlaw } from "../lib/rsa-soundness.js";
import { algorithmsForKey } from "../token/algorithms.js";
import { isKid } from "../token/kid.js";
import { hasEcCoordinates, isSoundEd25519 } from "./curve-hygiene.js";

/** Why a published key is not used. */
export type UnusableReason =
  | "not an object"
  | "kid"
  | "symmetric"
  | "private"
  | "use"
  | "key_ops"
  | "algorithm"
  | "weak"
  | "invalid"
  | "duplicate kid";

// RFC 7518 section 6.3.2 and 6.2.2, RFC 8037 section 2, and the seed form of later key types.
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"] as const;

/**
 * Looks at a member of a key set without importing it.
 *
 * A symmetric or private key in public has stopped being a secret: whoever reads the set can sign with it.
 *
 * Spec: RFC 7517 sections 4.1 to 4.5, RFC 8725 section 3.5.
 *
 * @param jwk - Anything that JSON can hold.
 * @returns Why the key is not to be used, or undefined when nothing speaks against it.
 */
export function findFlaw(jwk: unknown): UnusableReason | undefined {
  if (typeof jwk !== "object" || jwk === null || Array.isArray(jwk)) return "not an object";
  const has = (name: string): boolean => Object.hasOwn(jwk, name);
  const { kid, kty, crv, alg, use, key_ops: operations, n, e, x, y } = jwk as Readonly<Record<string, unknown>>;
  if (kty === "oct" || has("k")) return "symmetric";
  if (PRIVATE_MEMBERS.some(has)) return "private";
  if (!isKid(kid)) return "kid";
  if (has("use") && use !== "sig") return "use";
  if (has("key_ops") && !(Array.isArray(operations) && operations.includes("verify"))) return "key_ops";
  if (algorithmsForKey({ kty, crv, ...(has("alg") && { alg }) }).length === 0) return "algorithm";
  if (kty === "RSA") return findRsaFlaw({ n, e }) === undefined ? undefined : "weak";
  if (kty === "EC") return hasEcCoordinates({ crv, x, y }) ? undefined : "invalid";
  return isSoundEd25519({ x }) ? undefined : "weak";
}
