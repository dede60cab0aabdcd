import type { RevocationQuery } from "./revocation.js";
import { REVOCATION_NAMES, type RevocationMark, type RevocationName } from "./revocation-entry.js";

/** What is revoked, found by what a token says of itself. */
export interface RevocationIndex {
  /** How many names are held. */
  readonly size: number;
  /**
   * Takes a mark in; of two for one name, the one that says more counts.
   *
   * @param expiresAtMs - When it may be forgotten, in milliseconds since the epoch; `Infinity`: never.
   * @returns False when there is no room for another name. Then nothing has changed.
   */
  add(mark: RevocationMark, expiresAtMs: number): boolean;
  /** Whether a token is revoked. */
  isRevoked(query: RevocationQuery): boolean;
  /** Forgets what has expired. Looks at everything. */
  sweep(nowMs: number): void;
}

/** What is revoked of one issuer: until when each name is remembered, in milliseconds since the epoch. */
interface Names extends Readonly<Record<RevocationName, Map<string, number>>> {
  /** Of each subject, before when its tokens must have been issued to be revoked, in seconds since the epoch. */
  readonly issuedBefore: Map<string, number>;
}

/**
 * Creates a {@link RevocationIndex} that is empty.
 *
 * Issuers have maps of their own, and so have the kinds of names: no two names are ever joined into one.
 *
 * @param maxEntries - Most names held.
 */
export function createRevocationIndex(maxEntries: number): RevocationIndex {
  const issuers = new Map<string, Names>();
  let size = 0;
  return {
    get size() {
      return size;
    },
    add({ issuer, by, name, issuedBefore }, expiresAtMs) {
      const names = issuers.get(issuer) ?? createNames();
      const known = names[by].get(name);
      if (known === undefined && size >= maxEntries) return false;
      issuers.set(issuer, names);
      names[by].set(name, Math.max(expiresAtMs, known ?? 0));
      if (by === "subject") names.issuedBefore.set(name, Math.max(issuedBefore, names.issuedBefore.get(name) ?? 0));
      if (known === undefined) size++;
      return true;
    },
    isRevoked({ issuer, kid, jti, subject, issuedAt }) {
      const names = issuers.get(issuer);
      if (names === undefined) return false;
      if ((jti !== undefined && names.jti.has(jti)) || names.kid.has(kid)) return true;
      const issuedBefore = names.issuedBefore.get(subject);
      // Without "iat" it may have been issued at any time.
      return issuedBefore !== undefined && (issuedAt === undefined || issuedAt < issuedBefore);
    },
    sweep(nowMs) {
      for (const [issuer, names] of issuers) {
        for (const by of REVOCATION_NAMES) {
          for (const [name, expiresAtMs] of names[by]) {
            if (nowMs < expiresAtMs) continue;
            names[by].delete(name);
            if (by === "subject") names.issuedBefore.delete(name);
            size--;
          }
        }
        if (REVOCATION_NAMES.every((by) => names[by].size === 0)) issuers.delete(issuer);
      }
    },
  };
}

function createNames(): Names {
  return { jti: new Map(), kid: new Map(), subject: new Map(), issuedBefore: new Map() };
}
