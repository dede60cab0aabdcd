import { typeName } from "../lib/options.js";
import type { SnapshotSecret } from "./snapshot-store.js";

/** What snapshots are authenticated with. */
export const SNAPSHOT_MAC = { name: "HMAC", hash: "SHA-256" } as const;

// As long as the MAC. Shorter ones are passwords, and whoever reads the store can try passwords at leisure.
const MIN_SECRET_BYTES = 32;

/** The first signs, all verify. */
export type SnapshotKeys = readonly [CryptoKey, ...CryptoKey[]];

/**
 * Makes keys of configured secrets. They cannot be exported, and the secrets are not kept.
 *
 * Spec: RFC 2104 section 3 (length of a key).
 *
 * @param field - What they are called in error messages, such as `options.snapshots.secret`.
 * @throws TypeError or RangeError naming the field, at once.
 */
export function importSnapshotSecret(secret: SnapshotSecret, field: string): Promise<SnapshotKeys> {
  const [first, ...others] = isList(secret)
    ? secret.map((entry: unknown, index) => toBytes(entry, `${field}[${index}]`))
    : [toBytes(secret, field)];
  if (first === undefined) throw new TypeError(`${field} must not be empty`);
  const keys = importAll(first, others);
  // Without WebCrypto, each use of them fails, and not the process.
  keys.catch(() => {});
  return keys;
}

async function importAll(first: Uint8Array<ArrayBuffer>, others: readonly Uint8Array<ArrayBuffer>[]) {
  const importOne = (bytes: Uint8Array<ArrayBuffer>): Promise<CryptoKey> =>
    crypto.subtle.importKey("raw", bytes, SNAPSHOT_MAC, false, ["sign", "verify"]);
  const keys: SnapshotKeys = await Promise.all([importOne(first), ...others.map(importOne)]);
  return keys;
}

function isList(secret: SnapshotSecret): secret is readonly (string | Uint8Array)[] {
  return Array.isArray(secret);
}

/** Copies, so that the caller may overwrite what it gave. */
function toBytes(secret: unknown, field: string): Uint8Array<ArrayBuffer> {
  if (typeof secret !== "string" && !(secret instanceof Uint8Array)) {
    throw new TypeError(`${field} must be a string or Uint8Array, got ${typeName(secret)}`);
  }
  const bytes = typeof secret === "string" ? new TextEncoder().encode(secret) : new Uint8Array(secret);
  if (bytes.byteLength < MIN_SECRET_BYTES) {
    throw new RangeError(`${field} must have at least ${MIN_SECRET_BYTES} bytes, got ${bytes.byteLength}`);
  }
  return bytes;
}
