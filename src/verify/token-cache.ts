import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { TOKEN_LIMITS } from "../token/compact-jws.js";

/** Remembers what was found out about tokens, without remembering the tokens. */
export interface TokenCache<T extends object> {
  /** What is remembered of a token; undefined when nothing is, or for too long. */
  get(token: string, nowMs: number): T | undefined;
  /** Remembers. `nowMs` is monotonic time. */
  set(token: string, value: T, nowMs: number): void;
  /** Forgets. */
  delete(token: string): void;
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
 * Creates a cache of verified tokens.
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
    get(token, nowMs) {
      // Nothing as long as this was ever verified: not worth hashing.
      if (token.length > TOKEN_LIMITS.maxTokenBytes) return undefined;
      const entry = entries.get(digestToken(token));
      return entry !== undefined && nowMs < entry.storedAtMs + maxAgeMs ? entry.value : undefined;
    },
    set(token, value, nowMs) {
      entries.set(digestToken(token), { value, storedAtMs: nowMs }, { size: token.length });
    },
    delete(token) {
      entries.delete(digestToken(token));
    },
  };
}

/** Names a token without giving it away. */
export function digestToken(token: string): string {
  return hash("sha256", token, "base64url");
}
