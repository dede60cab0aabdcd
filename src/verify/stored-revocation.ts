import { KeysUnavailableError } from "../errors.js";
import { type Clock, systemClock } from "../lib/clock.js";
import { assertFields, assertFunction, assertPositive, typeName, withoutUndefined } from "../lib/options.js";
import type { Revocation, RevocationQuery } from "./revocation.js";
import { forgetAtMs, parseRevocationEntry, type RevocationEntry, type RevocationMark } from "./revocation-entry.js";
import { REVOCATION_KEY_PREFIX, revocationKey } from "./revocation-key.js";

/**
 * Where revocations are kept that several processes share: a `Map`, a `Keyv`, or a client of Redis with two functions
 * round it. Methods may return promises.
 *
 * A failure has to be thrown. A store that hides it says that nothing is revoked: a `Keyv`, and the adapter in it, need
 * their option `throwOnErrors`.
 */
export interface RevocationStore {
  /** Gives what was set, or undefined or null. */
  get(key: string): unknown;
  /**
   * Keeps a text; needed only to revoke. An answer of `false` means that it was not kept.
   *
   * @param ttlMs - After that it is of no use and may go, in whole milliseconds.
   */
  set?(key: string, value: string, ttlMs: number): unknown;
}

/** Options of {@link createStoredRevocation}; every field has a default. */
export interface StoredRevocationOptions {
  /** First part of every key. @defaultValue `"latchkey:revoked:"` */
  readonly keyPrefix?: string;
  /**
   * Longest life of the tokens, in seconds: entries of which nothing else is known are kept for as long. Not below the
   * `maxLifetimeSeconds` of any trusted issuer. @defaultValue `86_400` (24 hours)
   */
  readonly maxLifetimeSeconds?: number;
  /** Time. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** Revoked tokens, keys and subjects, in a store. */
export interface StoredRevocation extends Revocation {
  /** Asks the store. Rejects when it fails, and for a value that is no revocation. */
  isRevoked(query: RevocationQuery): Promise<boolean>;
  /**
   * Revokes for every process that asks this store. Of two instants for one subject the later counts, unless two
   * processes set them at the same moment.
   *
   * Rejects with {@link KeysUnavailableError} `ERR_REVOCATION_UNAVAILABLE` when the store does not keep it, with what the
   * store rejects with, or with TypeError or RangeError for an entry that cannot be used and a store without `set`.
   */
  revoke(entry: RevocationEntry): Promise<void>;
}

const DEFAULTS = {
  keyPrefix: REVOCATION_KEY_PREFIX,
  maxLifetimeSeconds: 24 * 60 * 60,
  clock: systemClock,
} as const satisfies Required<StoredRevocationOptions>;

// What is kept for good is kept for ten years: not every store has a word for "always".
const LONGEST_TTL_MS = 10 * 365 * 24 * 60 * 60 * 1_000;

/**
 * Creates a {@link Revocation} that asks a store for every call: what one process revokes, the next call to any other
 * knows.
 *
 * A call costs three look-ups side by side, by "jti", "kid" and "sub", and the way to the store and back. Nothing is
 * remembered between calls: a cache would save that way, and accept revoked tokens for as long as it remembers. Entries
 * are kept as those of {@link createRevocationList} are.
 *
 * A value is the text `true`, or the instant before which tokens must have been issued to be revoked, in seconds; both
 * may be JSON values as well. Anything else counts as a failure of the store. {@link revocationKey} tells the keys.
 *
 * @example
 * ```ts
 * import { createStoredRevocation } from "latchkey/verify";
 *
 * declare const redis: {
 *   get(key: string): Promise<string | null>;
 *   set(key: string, value: string, options: { PX: number }): Promise<unknown>;
 * };
 *
 * export const revocation = createStoredRevocation({
 *   get: (key) => redis.get(key),
 *   set: (key, value, ttlMs) => redis.set(key, value, { PX: ttlMs }),
 * });
 * await revocation.revoke({ issuer: "https://idp.example", jti: "6f1c0b3e" });
 * ```
 *
 * @param store - Where they are; its failures must be thrown.
 * @param options - How they are kept.
 * @throws TypeError or RangeError naming what cannot be used, such as a `Keyv` without `throwOnErrors`.
 */
export function createStoredRevocation(
  store: RevocationStore,
  options: StoredRevocationOptions = {},
): StoredRevocation {
  assertFunction("store.get", store?.get);
  assertThrows("store", store);
  assertFields("options", options, DEFAULTS);
  const { keyPrefix, maxLifetimeSeconds, clock } = { ...DEFAULTS, ...withoutUndefined(options) };
  if (typeof keyPrefix !== "string") {
    throw new TypeError(`options.keyPrefix must be a string, got ${typeName(keyPrefix)}`);
  }
  assertPositive("options.maxLifetimeSeconds", maxLifetimeSeconds);

  const keyOf = ({ by, issuer, name }: Pick<RevocationMark, "by" | "issuer" | "name">): string =>
    revocationKey(by, issuer, name, keyPrefix);
  const read = async (key: string): Promise<number> => parseInstant(await store.get(key));

  return {
    async isRevoked({ issuer, kid, jti, subject, issuedAt }) {
      const keys = [keyOf({ by: "kid", issuer, name: kid }), keyOf({ by: "subject", issuer, name: subject })];
      if (jti !== undefined) keys.push(keyOf({ by: "jti", issuer, name: jti }));
      const answers = await Promise.allSettled(keys.map(read));
      // Without "iat" it may have been issued at any time.
      const issued = issuedAt ?? Number.NEGATIVE_INFINITY;
      // One that says so is enough, whatever became of the others.
      if (answers.some((answer) => answer.status === "fulfilled" && issued < answer.value)) return true;
      const failed = answers.find((answer) => answer.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      return false;
    },
    async revoke(entry) {
      const mark = parseRevocationEntry(entry, "entry");
      if (typeof store.set !== "function") throw new TypeError("store must have a method set()");
      const key = keyOf(mark);
      const nowMs = clock.nowMs();
      const known = mark.by === "subject" ? await read(key) : Number.NEGATIVE_INFINITY;
      // What is kept takes the place of what was known, so it has to stay for as long as that would have.
      const issuedBefore = Math.max(mark.issuedBefore, known);
      const forgottenAtMs = forgetAtMs({ ...mark, issuedBefore }, nowMs, maxLifetimeSeconds);
      const ttlMs = Math.ceil(Math.min(forgottenAtMs - nowMs, LONGEST_TTL_MS));
      if (ttlMs <= 0) return;
      const kept = await store.set(key, formatInstant(issuedBefore), ttlMs);
      if (kept === false) throw unavailable("did not keep the revocation");
    },
  };
}

/** A Keyv answers a failure of its adapter, and an adapter one of its server, as if nothing were stored. */
function assertThrows(field: string, store: object): void {
  if ("throwOnErrors" in store && store.throwOnErrors !== true) {
    throw new TypeError(`${field}.throwOnErrors must be true: a failure would look as if nothing were revoked`);
  }
  if ("store" in store && typeof store.store === "object" && store.store !== null) {
    assertThrows(`${field}.store`, store.store);
  }
}

/** Before when tokens must have been issued to be revoked, in seconds since the epoch; `Infinity`: whenever. */
function parseInstant(stored: unknown): number {
  if (stored === undefined || stored === null) return Number.NEGATIVE_INFINITY;
  const value = typeof stored === "string" ? parseJson(stored) : stored;
  if (value === true) return Number.POSITIVE_INFINITY;
  if (typeof value === "number" && Number.isFinite(value) && value >= 0) return value;
  throw unavailable("holds something that is no revocation");
}

function formatInstant(instant: number): string {
  return instant === Number.POSITIVE_INFINITY ? "true" : String(instant);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unavailable(what: string): KeysUnavailableError {
  return new KeysUnavailableError("ERR_REVOCATION_UNAVAILABLE", `The store of revocations ${what}`);
}
