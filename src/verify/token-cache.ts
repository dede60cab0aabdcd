import { hash } from "node:crypto";
import { TOKEN_LIMITS } from "../token/compact-jws.js";

/** Remembers what was found out about tokens, without remembering the tokens. */
export interface TokenCache<T extends object> {
  /** What is remembered of a token; undefined when nothing is, or for too long. `nowMs` is monotonic time. */
  get(digest: string, nowMs: number): T | undefined;
  /** Remembers. `length` is that of the token: what is kept of it grows with it. */
  set(digest: string, value: T, size: { readonly length: number; readonly nowMs: number }): void;
  /** Forgets. */
  delete(digest: string): void;
}

/** Limits of {@link createTokenCache}. */
export interface TokenCacheLimits {
  /** Most tokens. */
  readonly maxEntries: number;
  /** Longest time, in milliseconds. */
  readonly maxAgeMs: number;
}

interface Entry<T> {
  readonly value: T;
  readonly storedAtMs: number;
  readonly length: number;
  /** How many entries had been placed when this one was, or was moved to the end. */
  place: number;
}

// What is remembered grows with the token: on average 800 characters each, or fewer tokens.
const CHARACTERS_PER_ENTRY = 800;

/**
 * Creates a cache of what is known about tokens.
 *
 * A token is known by the SHA-256 of all its characters, never by a claim or "kid", so no two tokens share an entry. It
 * is bounded by number and by size: the token goes that was not asked for longest, give or take half the cache. An entry
 * moves to the end only once half of all entries were placed after it, so that most hits read and write nothing else.
 */
export function createTokenCache<T extends object>({ maxEntries, maxAgeMs }: TokenCacheLimits): TokenCache<T> {
  const maxCharacters = Math.max(maxEntries * CHARACTERS_PER_ENTRY, TOKEN_LIMITS.maxTokenBytes);
  const entries = new Map<string, Entry<T>>();
  // Goes on where it stopped: begun anew, it would pass the places of all that were deleted since the Map last shrank.
  let oldest = entries.keys();
  let placed = 0;
  let characters = 0;

  const remove = (digest: string): void => {
    characters -= entries.get(digest)?.length ?? 0;
    entries.delete(digest);
  };

  const place = (digest: string, entry: Entry<T>): void => {
    remove(digest);
    entry.place = placed++;
    entries.set(digest, entry);
    characters += entry.length;
  };

  const removeOldest = (): void => {
    let next = oldest.next();
    if (next.done === true) {
      oldest = entries.keys();
      next = oldest.next();
    }
    if (next.done !== true) remove(next.value);
  };

  return {
    get(digest, nowMs) {
      const entry = entries.get(digest);
      if (entry === undefined || nowMs >= entry.storedAtMs + maxAgeMs) return undefined;
      if (placed - entry.place > maxEntries / 2) place(digest, entry);
      return entry.value;
    },
    set(digest, value, { length, nowMs }) {
      place(digest, { value, storedAtMs: nowMs, length, place: placed });
      while (entries.size > maxEntries || characters > maxCharacters) removeOldest();
    },
    delete: remove,
  };
}

/** Names a token without giving it away: by the 32 bytes of its SHA-256, a character each. */
export function digestToken(token: string): string {
  return hash("sha256", token, "binary");
}
