import { KeysUnavailableError } from "../errors.js";
import { findFlaw, type UnusableReason } from "./key-hygiene.js";
import { importVerificationKey, type VerificationKey } from "./verification-key.js";

/** A public key as its issuer published it, reduced to what defines it: nothing private, nothing unknown. */
export interface PublicJwk {
  /** "kid". */
  readonly kid: string;
  /** Key type: `EC`, `OKP` or `RSA`. */
  readonly kty: string;
  /** Curve of an `EC` or `OKP` key. */
  readonly crv?: string;
  /** Coordinate of an `EC` or `OKP` key. */
  readonly x?: string;
  /** Coordinate of an `EC` key. */
  readonly y?: string;
  /** Modulus of an `RSA` key. */
  readonly n?: string;
  /** Exponent of an `RSA` key. */
  readonly e?: string;
  /** Algorithm that the issuer uses it for, where it says so. */
  readonly alg?: string;
}

/** The usable keys of one published set. Never changes. */
export interface KeySet {
  /** By "kid". */
  readonly keys: ReadonlyMap<string, VerificationKey>;
  /** The same keys as published, by "kid". */
  readonly jwks: ReadonlyMap<string, PublicJwk>;
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
  /** Told of what someone should look at, before the set is given or refused. */
  readonly onAlarm?: (reason: KeySetAlarm) => void;
}

/** What an issuer should not have published: nothing, nothing usable, or a key that is no secret any more. */
export type KeySetAlarm = "no keys" | "no usable keys" | "private key" | "symmetric key";

const MEMBERS = ["kty", "crv", "x", "y", "n", "e", "alg"] as const satisfies readonly (keyof PublicJwk)[];

interface ImportedMember {
  readonly jwk: PublicJwk;
  readonly key: VerificationKey;
}

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
export async function parseKeySet(
  json: unknown,
  { maxKeys, previous, onAlarm = () => {} }: ParseKeySetOptions,
): Promise<KeySet> {
  const members = readMembers(json, maxKeys);
  const results = await Promise.all(members.map((member) => importMember(member, previous)));
  const keys = new Map<string, VerificationKey>();
  const jwks = new Map<string, PublicJwk>();
  const unusable = new Map<UnusableReason, number>();
  const skip = (reason: UnusableReason): void => void unusable.set(reason, (unusable.get(reason) ?? 0) + 1);
  const ambiguous = new Set<string>();
  for (const result of results) {
    if (typeof result === "string") {
      skip(result);
    } else if (keys.has(result.key.kid)) {
      ambiguous.add(result.key.kid);
      skip("duplicate kid");
    } else {
      keys.set(result.key.kid, result.key);
      jwks.set(result.key.kid, result.jwk);
    }
  }
  for (const kid of ambiguous) {
    keys.delete(kid);
    jwks.delete(kid);
    skip("duplicate kid");
  }
  if (unusable.has("private")) onAlarm("private key");
  if (unusable.has("symmetric")) onAlarm("symmetric key");
  if (keys.size === 0) {
    onAlarm(members.length === 0 ? "no keys" : "no usable keys");
    throw new KeysUnavailableError("ERR_KEYS_INVALID", "The key set has no usable key");
  }
  return { keys, jwks, unusable, unusableCount: members.length - keys.size };
}

/** Tells whether two sets consist of the very same keys. */
export function hasSameKeys(one: KeySet | undefined, other: KeySet): boolean {
  if (one?.keys.size !== other.keys.size) return false;
  return [...other.keys].every(([kid, key]) => one.keys.get(kid) === key);
}

/**
 * Gives a set in which each key that another set has too is the very same object as there.
 *
 * @param previous - The other set; undefined for none.
 */
export function reuseKeys(next: KeySet, previous: KeySet | undefined): KeySet {
  if (previous === undefined || previous === next) return next;
  const known = [...next.jwks].flatMap(([kid, jwk]) => {
    const key = previous.keys.get(kid);
    const published = previous.jwks.get(kid);
    return key !== undefined && published !== undefined && isSameJwk(published, jwk) ? [[kid, key] as const] : [];
  });
  // In the order of the set: a Map keeps the place of a key that is set again.
  return { ...next, keys: new Map([...next.keys, ...known]) };
}

function readMembers(json: unknown, maxKeys: number): readonly unknown[] {
  const members = typeof json === "object" && json !== null && "keys" in json ? json.keys : undefined;
  if (!Array.isArray(members)) throw new KeysUnavailableError("ERR_KEYS_INVALID", "The answer is not a JWK Set");
  if (members.length > maxKeys) {
    throw new KeysUnavailableError("ERR_KEYS_INVALID", `The key set has more than ${maxKeys} keys`);
  }
  return members;
}

async function importMember(member: unknown, previous: KeySet | undefined): Promise<ImportedMember | UnusableReason> {
  const flaw = findFlaw(member);
  if (flaw !== undefined) return flaw;
  const jwk = toPublicJwk(member as PublicJwk);
  const known = previous?.keys.get(jwk.kid);
  const published = previous?.jwks.get(jwk.kid);
  if (known !== undefined && published !== undefined && isSameJwk(published, jwk))
    return { jwk: published, key: known };
  try {
    return { jwk, key: await importVerificationKey(jwk) };
  } catch {
    return "invalid";
  }
}

/** All that defines a sound key; its other members are not carried over, however deep they nest. */
function toPublicJwk(member: PublicJwk): PublicJwk {
  const copied = MEMBERS.flatMap((name) => (typeof member[name] === "string" ? [[name, member[name]]] : []));
  return Object.freeze({ kid: member.kid, ...Object.fromEntries(copied) }) as PublicJwk;
}

function isSameJwk(one: PublicJwk, other: PublicJwk): boolean {
  return MEMBERS.every((name) => one[name] === other[name]);
}
