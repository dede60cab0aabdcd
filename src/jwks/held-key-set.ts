import type { Clock } from "../lib/clock.js";
import { hasSameKeys, type KeySet } from "./key-set.js";

/** What a request for a key set gave. */
export interface LoadedKeySet {
  /** The set. */
  readonly keySet: KeySet;
  /** Place of the request in the order in which requests were sent. */
  readonly sequence: number;
  /** When the request was sent, on monotonic time: the latest moment at which the set is known to be true. */
  readonly requestedAtMs: number;
  /** How long it is fresh, from then on. */
  readonly ttlMs: number;
}

/** The key set held at present, and how long it may be used. */
export interface HeldKeySet {
  /** The set while it is fresh or stale within the window; undefined before the first and after the window. */
  usable(): KeySet | undefined;
  /** What was stored last, however old. */
  latest(): LoadedKeySet | undefined;
  /**
   * Takes the place of the set before as a whole, so that a key no longer published is gone. An answer to a request
   * sent before the one that gave the present set is dropped: it is older news that came late.
   */
  store(loaded: LoadedKeySet): void;
  /** Calls back after each replacement by a set of other keys. */
  onChange(listener: () => void): Disposable;
}

/**
 * Creates a {@link HeldKeySet} that holds nothing yet.
 *
 * @param staleMs - How long a set may be used beyond its freshness, in milliseconds.
 */
export function createHeldKeySet(staleMs: number, clock: Clock): HeldKeySet {
  let held: LoadedKeySet | undefined;
  const listeners = new Set<() => void>();
  return {
    usable() {
      if (held === undefined) return undefined;
      return clock.monotonicMs() < held.requestedAtMs + held.ttlMs + staleMs ? held.keySet : undefined;
    },
    latest: () => held,
    store(loaded) {
      if (held !== undefined && loaded.sequence < held.sequence) return;
      const changed = !hasSameKeys(held?.keySet, loaded.keySet);
      held = loaded;
      if (changed) for (const listener of listeners) notify(listener);
    },
    onChange(listener) {
      // Its own entry, so that one function may listen twice and each registration ends alone.
      const entry = (): void => listener();
      listeners.add(entry);
      return { [Symbol.dispose]: () => void listeners.delete(entry) };
    },
  };
}

function notify(listener: () => void): void {
  try {
    listener();
  } catch {
    // A listener that fails must not make a good key set count as a failed refresh.
  }
}
