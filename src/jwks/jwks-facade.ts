import { createListeners } from "../lib/listeners.js";
import { raceSignal } from "../lib/signal.js";
import type { Jwks, JwksKeyQuery } from "./jwks.js";

/** A {@link Jwks} that stays the same while the cache behind it is replaced. */
export interface JwksFacade {
  /** For whoever holds it. Disposing it does nothing: the caches belong to who replaces them. */
  readonly jwks: Jwks;
  /**
   * Puts a cache in the place of the one before, which the caller has disposed. Callers who wait for the one before wait
   * for the new one instead.
   *
   * @param ready - Callers wait for it before they ask the new cache. Never rejects.
   */
  replace(next: Jwks, ready?: Promise<void>): void;
}

/** Creates a {@link JwksFacade}. */
export function createJwksFacade(first: Jwks): JwksFacade {
  let current = first;
  let readying: Promise<void> | undefined;
  const listeners = createListeners();
  let listening = current.onChange(listeners.tell);

  const ask = async <T>(question: (cache: Jwks) => Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
    for (;;) {
      while (readying !== undefined) await raceSignal(readying, signal);
      const asked = current;
      try {
        const answer = await question(asked);
        // An answer from before the replacement may be what the replacement was to end.
        if (asked === current) return answer;
      } catch (error) {
        if (asked === current) throw error;
      }
    }
  };

  // All of a Jwks but that it can be called.
  const members: Omit<Jwks, never> = {
    getKey: (query, options = {}) => ask((cache) => cache.getKey(query, options), options.signal),
    peekKey: (query) => current.peekKey(query),
    getPublicKeys: (options = {}) => ask((cache) => cache.getPublicKeys(options), options.signal),
    refresh: (options = {}) => ask((cache) => cache.refresh(options), options.signal),
    snapshot: () => current.snapshot(),
    hydrate: (snapshot) => ask((cache) => cache.hydrate(snapshot), undefined),
    status: () => current.status(),
    onChange: (listener) => listeners.add(listener),
    [Symbol.dispose]() {},
  };

  return {
    jwks: Object.assign((query: JwksKeyQuery) => members.getKey(query), members),
    replace(next, ready) {
      listening[Symbol.dispose]();
      current = next;
      listening = next.onChange(listeners.tell);
      const own = ready?.then(() => {
        if (readying === own) readying = undefined;
      });
      readying = own;
      listeners.tell();
    },
  };
}
