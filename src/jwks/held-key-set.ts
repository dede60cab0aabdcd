import type { Clock } from "../lib/clock.js";
import { createListeners } from "../lib/listeners.js";
import type { FreshnessHeaders } from "./freshness.js";
import { hasSameKeys, type KeySet, reuseKeys } from "./key-set.js";
import type { Validators } from "./validators.js";

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
  /** What the answer is recognised by when it is asked for again. */
  readonly validators: Validators | undefined;
  /** What the answer said about its freshness. */
  readonly freshness: FreshnessHeaders;
}

/** The key set held at present, and how long it may be used. */
export interface HeldKeySet {
  /**
   * The set while it is fresh or stale within the window; undefined before the first and after the window.
   *
   * @param nowMs - The present, on monotonic time, for a caller who has it.
   */
  usable(nowMs?: number): KeySet | undefined;
  /** Whether there is a set and its freshness has ended; `nowMs` as there. */
  isStale(nowMs?: number): boolean;
  /** When the set may no longer be used, on monotonic time; undefined without one. */
  usableUntilMs(): number | undefined;
  /** What was stored last, however old. */
  latest(): LoadedKeySet | undefined;
  /**
   * Takes the place of the set before as a whole, so that a key no longer published is gone; one that has not changed
   * stays the very same object. An answer to a request sent before the one that gave the present set is dropped: it is
   * older news that came late.
   *
   * @returns Whether keys came, went or changed.
   */
  store(loaded: LoadedKeySet): boolean;
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
  let usableBeforeMs = Number.NEGATIVE_INFINITY;
  const listeners = createListeners();
  return {
    usable: (nowMs = clock.monotonicMs()) => (nowMs < usableBeforeMs ? held?.keySet : undefined),
    isStale: (nowMs = clock.monotonicMs()) => held !== undefined && nowMs >= held.requestedAtMs + held.ttlMs,
    usableUntilMs: () => (held === undefined ? undefined : usableBeforeMs),
    latest: () => held,
    store(loaded) {
      if (held !== undefined && loaded.sequence < held.sequence) return false;
      const before = held?.keySet;
      // Of two answers that were read at the same time neither knew the keys that the other imported.
      const keySet = reuseKeys(loaded.keySet, before);
      const changed = !hasSameKeys(before, keySet);
      held = { ...loaded, keySet };
      usableBeforeMs = loaded.requestedAtMs + loaded.ttlMs + staleMs;
      if (changed) listeners.tell();
      return changed;
    },
    onChange: (listener) => listeners.add(listener),
  };
}
