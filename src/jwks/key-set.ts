import type { JWK } from "jose";
import { KeysUnavailableError } from "../errors.js";
import { findFlaw, type UnusableReason } from "./key-hygiene.js";
import { importVerificationKey, type VerificationKey } from "./verification-key.js";

/** The usable keys of one published set. Never changes. */
export interface KeySet {
  /** By "kid". */
  readonly keys: ReadonlyMap<string, VerificationKey>;
  /** How many members were left out, by reason. */
  readonly unusable: ReadonlyMap<UnusableReason, number>;
  /** Number of members left out. */
  readonly unusableCount: number;
}

/** Options of {@link parseKeySet}. */
export interface ParseKeySetOptions {
  /** Most members; a set with more is refused unread. */
  readonly maxKeys: number;
  /** The set before: a key that has not changed since stays the very same object. */
  readonly previous?: KeySet | undefined;
}

// The text each key was imported from, to tell whether a later publication changed it. Goes with the key.
const sources = new WeakMap<VerificationKey, string>();

/**
 * Reads a JWK Set: takes the keys that can be used and leaves out the others.
 *
 * Two usable keys with one "kid" are both left out, in whatever order they stand: picking one would be a guess. A set
 * without a usable key is refused, for an issuer that signs tokens has one; whoever holds the set before keeps it.
 *
 * Spec: RFC 7517 section 5.
 *
 * Rejects with {@link KeysUnavailableError} `ERR_KEYS_INVALID`.
 *
 * @param json - What `JSON.parse` gave.
 */
export async function parseKeySet(json: unknown, { maxKeys, previous }: ParseKeySetOptions): Promise<KeySet> {
  const members = readMembers(json, maxKeys);
  const results = await Promise.all(members.map((member) => importMember(member, previous)));
  const keys = new Map<string, VerificationKey>();
  const unusable = new Map<UnusableReason, number>();
  const skip = (reason: UnusableReason): void => void unusable.set(reason, (unusable.get(reason) ?? 0) + 1);
  const ambiguous = new Set<string>();
  for (const result of results) {
    if (typeof result === "string") {
      skip(result);
    } else if (keys.has(result.kid)) {
      ambiguous.add(result.kid);
      skip("duplicate kid");
    } else {
      keys.set(result.kid, result);
    }
  }
  for (const kid of ambiguous) {
    keys.delete(kid);
    skip("duplicate kid");
  }
  if (keys.size === 0) throw new KeysUnavailableError("ERR_KEYS_INVALID", "The key set has no usable key");
  return { keys, unusable, unusableCount: members.length - keys.size };
}

/** Tells whether two sets consist of the very same keys. */
export function hasSameKeys(one: KeySet | undefined, other: KeySet): boolean {
  if (one?.keys.size !== other.keys.size) return false;
  return [...other.keys].every(([kid, key]) => one.keys.get(kid) === key);
}

function readMembers(json: unknown, maxKeys: number): readonly unknown[] {
  const members = typeof json === "object" && json !== null && "keys" in json ? json.keys : undefined;
  if (!Array.isArray(members)) throw new KeysUnavailableError("ERR_KEYS_INVALID", "The answer is not a JWK Set");
  if (members.length > maxKeys) {
    throw new KeysUnavailableError("ERR_KEYS_INVALID", `The key set has more than ${maxKeys} keys`);
  }
  return members;
}

async function importMember(member: unknown, previous: KeySet | undefined): Promise<VerificationKey | UnusableReason> {
  const flaw = findFlaw(member);
  if (flaw !== undefined) return flaw;
  const source = formatSource(member as JWK);
  const known = previous?.keys.get((member as { readonly kid: string }).kid);
  if (known !== undefined && sources.get(known) === source) return known;
  try {
    const key = await importVerificationKey(member);
    sources.set(key, source);
    return key;
  } catch {
    return "invalid";
  }
}

/** All that makes two sound keys the same; the other members are not carried over, however deep they nest. */
function formatSource({ kty, crv, alg, n, e, x, y }: JWK): string {
  return JSON.stringify([kty, crv, alg, n, e, x, y].map((value) => (typeof value === "string" ? value : null)));
}
