import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
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

// What is remembered grows with the token: on average 800 characters each, or fewer tokens.
const CHARACTERS_PER_ENTRY = 800;

/**
 * Creates a cache of what is known about tokens.
 *
 * A token is known by the SHA-256 of all its characters, never by a claim or "kid", so no two tokens share an entry. It
 * is bounded by number and by size.
 */
export function createTokenCache<T extends object>({ maxEntries, maxAgeMs }: TokenCacheLimits): TokenCache<T> {
  const entries = new LRUCache<string, { readonly value: T; readonly storedAtMs: number }>({
    max: maxEntries,
    maxSize: Math.max(maxEntries * CHARACTERS_PER_ENTRY, TOKEN_LIMITS.maxTokenBytes),
  });
  return {
    get(digest, nowMs) {
      const entry = entries.get(digest);
      return entry !== undefined && nowMs < entry.storedAtMs + maxAgeMs ? entry.value : undefined;
    },
    set(digest, value, { length, nowMs }) {
      entries.set(digest, { value, storedAtMs: nowMs }, { size: Math.max(1, length) });
    },
    delete(digest) {
      entries.delete(digest);
    },
  };
}

/** Names a token without giving it away. */
export function digestToken(token: string): string {
  return hash("sha256", token, "base64url");
}
