import { TokenRejectedError } from "../errors.js";
import { findFlaw, type UnusableReason } from "../jwks/key-hygiene.js";
import { parseKeySet } from "../jwks/key-set.js";
import { typeName } from "../lib/options.js";
import type { KeySource } from "./key-source.js";

// A set copied from an issuer may hold keys for other purposes; everything else is a mistake to be told at once.
const OTHER_PURPOSE: ReadonlySet<UnusableReason | undefined> = new Set(["use", "key_ops", "algorithm"]);

/**
 * Takes the keys of an issuer from a set given with the configuration.
 *
 * @param keys - A JWK Set; copied.
 * @param field - What it is called in error messages.
 * @throws TypeError for what is not a set of sound public keys, each with a "kid" of its own.
 */
export function createStaticSource(keys: unknown, field: string): KeySource {
  const copy = copyKeySet(keys, field);
  assertKeys(copy.keys, field);
  const loading = parseKeySet(copy, { maxKeys: Number.POSITIVE_INFINITY });
  // Told to whoever asks for a key.
  loading.catch(() => {});
  return {
    async getKey(kid, algorithm) {
      const found = (await loading).keys.get(kid);
      if (found === undefined) throw new TokenRejectedError("ERR_KEY_NOT_FOUND", "The issuer has no such key");
      const key = await found.key(algorithm);
      if (key !== undefined) return { key, principal: undefined, handle: key };
      throw new TokenRejectedError("ERR_KEY_UNUSABLE", "The key does not serve the token's algorithm");
    },
    isCurrent: () => true,
    generation: 0,
    forgetKey() {},
    [Symbol.dispose]() {},
  };
}

function copyKeySet(keys: unknown, field: string): { readonly keys: readonly unknown[] } {
  let copy: unknown;
  try {
    // A promise, a proxy or an object with methods is no data: it could say one thing now and another later.
    copy = structuredClone(keys);
  } catch {
    throw new TypeError(`${field} must be plain data`);
  }
  if (typeof copy !== "object" || copy === null)
    throw new TypeError(`${field} must be an object, got ${typeName(copy)}`);
  const members = "keys" in copy ? copy.keys : undefined;
  if (!Array.isArray(members)) throw new TypeError(`${field}.keys must be an array, got ${typeName(members)}`);
  return { keys: members };
}

function assertKeys(members: readonly unknown[], field: string): void {
  const kids = new Set<unknown>();
  members.forEach((member, index) => {
    const flaw = findFlaw(member);
    if (OTHER_PURPOSE.has(flaw)) return;
    if (flaw !== undefined) throw new TypeError(`${field}.keys[${index}] is not a usable public key: ${flaw}`);
    const { kid } = member as { readonly kid: string };
    if (kids.has(kid)) throw new TypeError(`${field}.keys[${index}] has the "kid" of a key before it`);
    kids.add(kid);
  });
  if (kids.size === 0) throw new TypeError(`${field}.keys has no usable key`);
}
