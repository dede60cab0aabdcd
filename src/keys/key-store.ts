import type { JWK } from "jose";
import type { Secret } from "../lib/secret.js";

/** A key of a {@link KeyRing} at rest. Instants are wall-clock milliseconds since the epoch. */
export interface StoredKey {
  /** Name of the key: its RFC 7638 thumbprint. */
  readonly kid: string;
  /** The private JWK, with "alg". Wrapped, so that printing a stored key does not print it. */
  readonly privateJwk: Secret<JWK>;
  /** Since when the key set contains it. */
  readonly publishedAtMs: number;
  /** From when it signs, until a key with a later instant does. */
  readonly signsFromMs: number;
  /** Until when the key set contains it at least; absent while no successor is planned. */
  readonly retiresAtMs?: number;
}

/**
 * Where a key ring keeps its keys: a port for a database, a vault or a key management service.
 *
 * Both methods have to settle in bounded time. Arrays belong to who receives them.
 */
export interface KeyStore {
  /** Gives what is stored; empty when nothing is. Rejects when that cannot be told: never answer "empty" instead. */
  load(): Promise<readonly StoredKey[]>;
  /**
   * Stores `keys` in place of `replacing`, all or nothing, unless the store holds other keys than those by now.
   *
   * Several processes may do so at the same instant; exactly one of them wins. A database compares in one transaction.
   *
   * @param keys - Everything to hold from now on.
   * @param replacing - What the caller last loaded; two states are the same when their "kid" values are.
   * @returns True when it was stored. After false, load again and decide anew: others have changed the store, before
   * this call or, at worst, right after it did.
   */
  save(keys: readonly StoredKey[], replacing: readonly StoredKey[]): Promise<boolean>;
  /**
   * Tells of changes, this process's own among them; may tell too often. Optional: without it a ring looks again from
   * time to time.
   *
   * @returns What ends it.
   */
  watch?(onChange: () => void): Disposable;
}

/** Tells whether two states of a store are the same one: every change of a ring adds a key. */
export function sameKeys(some: readonly StoredKey[], others: readonly StoredKey[]): boolean {
  const kids = new Set(some.map(({ kid }) => kid));
  return kids.size === new Set(others.map(({ kid }) => kid)).size && others.every(({ kid }) => kids.has(kid));
}
