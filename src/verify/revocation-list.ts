import { type Clock, systemClock } from "../lib/clock.js";
import { assertFields, assertPositive, assertPositiveInteger, withoutUndefined } from "../lib/options.js";
import type { Revocation, RevocationQuery } from "./revocation.js";
import { forgetAtMs, parseRevocationEntry, type RevocationEntry } from "./revocation-entry.js";
import { createRevocationIndex } from "./revocation-index.js";

/** Options of {@link createRevocationList}; every field has a default. */
export interface RevocationListOptions {
  /** Most entries. @defaultValue `100_000` */
  readonly maxEntries?: number;
  /**
   * Longest life of the tokens, in seconds: entries of which nothing else is known are forgotten after it. Not below the
   * `maxLifetimeSeconds` of any trusted issuer. @defaultValue `86_400` (24 hours)
   */
  readonly maxLifetimeSeconds?: number;
  /** Time. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** Revoked tokens, keys and subjects, in the memory of this process. */
export interface RevocationList extends Revocation {
  /** Entries held, those too that have expired and not been forgotten yet. */
  readonly size: number;
  /**
   * Revokes from now on.
   *
   * @throws TypeError or RangeError naming the field that cannot be used.
   * @throws RangeError when the list is full. Nothing is ever dropped to make room: what was dropped would be accepted.
   */
  revoke(entry: RevocationEntry): void;
  /** Answers at once, from memory. */
  isRevoked(query: RevocationQuery): boolean;
}

const DEFAULTS = {
  maxEntries: 100_000,
  maxLifetimeSeconds: 24 * 60 * 60,
  clock: systemClock,
} as const satisfies Required<RevocationListOptions>;

/**
 * Creates a list of revoked tokens in memory: for one process, or as the part of a larger mechanism that answers.
 *
 * An answer is a few look-ups and never a promise. An entry is forgotten a minute after the last token that it can mean
 * has expired: for a token its `expiresAt`, for a subject {@link RevocationListOptions.maxLifetimeSeconds} after
 * `issuedBefore` or now. A key stays revoked for good. Tokens without "iat" can outlive that, since nobody knows when
 * they were issued: have "iat" required by `requiredClaims`, or revoke them with their `expiresAt`.
 *
 * An entry takes about 100 bytes. When the list is full, what has expired is forgotten first.
 *
 * @example
 * ```ts
 * import { createRevocationList, createVerifier } from "latchkey/verify";
 *
 * const revocation = createRevocationList();
 * const issuer = "https://idp.example";
 * export const verifier = createVerifier({
 *   issuers: [{ issuer, audience: "https://jobs.example", algorithms: ["ES256"], jwksUri: `${issuer}/jwks.json` }],
 *   revocation,
 * });
 *
 * export function logOutEverywhere(subject: string): void {
 *   revocation.revoke({ issuer, subject, issuedBefore: Date.now() / 1_000 });
 * }
 * ```
 *
 * @param options - Limits.
 * @returns A list, empty. Give it to verifiers as their `revocation`.
 * @throws TypeError or RangeError naming the option that cannot be used.
 */
export function createRevocationList(options: RevocationListOptions = {}): RevocationList {
  assertFields("options", options, DEFAULTS);
  const { maxEntries, maxLifetimeSeconds, clock } = { ...DEFAULTS, ...withoutUndefined(options) };
  assertPositiveInteger("options.maxEntries", maxEntries);
  assertPositive("options.maxLifetimeSeconds", maxLifetimeSeconds);
  const index = createRevocationIndex(maxEntries);
  return {
    get size() {
      return index.size;
    },
    revoke(entry) {
      const mark = parseRevocationEntry(entry, "entry");
      const nowMs = clock.nowMs();
      const expiresAtMs = forgetAtMs(mark, nowMs, maxLifetimeSeconds);
      if (index.add(mark, expiresAtMs)) return;
      index.sweep(nowMs);
      if (!index.add(mark, expiresAtMs)) throw new RangeError(`The list is full: it holds maxEntries (${maxEntries})`);
    },
    isRevoked: index.isRevoked,
  };
}
