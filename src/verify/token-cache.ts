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
  readonly digest: string;
  readonly value: T;
  readonly storedAtMs: number;
  /** Of the token. */
  readonly length: number;
  /** How many entries, and characters of tokens, had been placed when this one was, or when it moved to the end. */
  placed: number;
  placedCharacters: number;
  /** Neighbours in the order in which they were placed. */
  before: Entry<T> | undefined;
  after: Entry<T> | undefined;
}

// What is remembered grows with the token: on average 800 characters each, or fewer tokens.
const CHARACTERS_PER_ENTRY = 800;

/**
 * Creates a cache of what is known about tokens.
 *
 * A token is known by the SHA-256 of all its characters, never by a claim or "kid", so no two tokens share an entry. It
 * is bounded by number and by size: the token goes that was not asked for longest, give or take half the cache. An entry
 * moves to the end only once half of what there is room for was placed after it, so that hits in a cache with room to
 * spare write nothing.
 */
export function createTokenCache<T extends object>({ maxEntries, maxAgeMs }: TokenCacheLimits): TokenCache<T> {
  const maxCharacters = Math.max(maxEntries * CHARACTERS_PER_ENTRY, TOKEN_LIMITS.maxTokenBytes);
  // The order is not the Map's: an iterator that lives on keeps every table that a Map has outgrown, with its values.
  const entries = new Map<string, Entry<T>>();
  let first: Entry<T> | undefined;
  let last: Entry<T> | undefined;
  let characters = 0;
  let placed = 0;
  let placedCharacters = 0;

  const unlink = ({ before, after, length }: Entry<T>): void => {
    if (before === undefined) first = after;
    else before.after = after;
    if (after === undefined) last = before;
    else after.before = before;
    characters -= length;
  };

  const append = (entry: Entry<T>): void => {
    entry.before = last;
    entry.after = undefined;
    if (last === undefined) first = entry;
    else last.after = entry;
    last = entry;
    characters += entry.length;
    placed++;
    placedCharacters += entry.length;
    entry.placed = placed;
    entry.placedCharacters = placedCharacters;
  };

  const remove = (entry: Entry<T> | undefined): void => {
    if (entry === undefined) return;
    unlink(entry);
    entries.delete(entry.digest);
  };

  return {
    get(digest, nowMs) {
      const entry = entries.get(digest);
      if (entry === undefined || nowMs >= entry.storedAtMs + maxAgeMs) return undefined;
      if (placed - entry.placed > maxEntries / 2 || placedCharacters - entry.placedCharacters > maxCharacters / 2) {
        unlink(entry);
        append(entry);
      }
      return entry.value;
    },
    set(digest, value, { length, nowMs }) {
      remove(entries.get(digest));
      const entry: Entry<T> = {
        digest,
        value,
        storedAtMs: nowMs,
        length,
        placed,
        placedCharacters,
        before: undefined,
        after: undefined,
      };
      append(entry);
      entries.set(digest, entry);
      while (entries.size > maxEntries || characters > maxCharacters) remove(first);
    },
    delete(digest) {
      remove(entries.get(digest));
    },
  };
}

/** Names a token without giving it away: by the 32 bytes of its SHA-256, a character each. */
export function digestToken(token: string): string {
  return hash("sha256", token, "binary");
}
