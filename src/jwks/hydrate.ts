import type { Clock } from "../lib/clock.js";
import { withoutUndefined } from "../lib/options.js";
import type { HeldKeySet } from "./held-key-set.js";
import type { JwksSettings } from "./jwks-options.js";
import type { JwksSnapshot } from "./jwks-snapshot.js";
import { parseKeySet } from "./key-set.js";

// Clocks of machines that share snapshots differ a little.
const CLOCK_TOLERANCE_MS = 5_000;
// An age read from a wall clock is not exact: what seems newer by less may be the set in hand itself.
const LEAST_NEWER_MS = 1_000;

/** Gives the set in hand in a form that can be stored; undefined when there is none that may be used. */
export function takeSnapshot(url: string, held: HeldKeySet, clock: Clock): JwksSnapshot | undefined {
  const latest = held.latest();
  const keySet = held.usable();
  if (latest === undefined || keySet === undefined) return undefined;
  // Downwards: rounding is not to lengthen a life.
  const fetchedAtMs = Math.floor(clock.nowMs() - (clock.monotonicMs() - latest.requestedAtMs));
  return { url, keys: [...keySet.jwks.values()], ...latest.validators, fetchedAtMs, ttlMs: latest.ttlMs };
}

/**
 * Creates what takes a stored set in, as {@link Jwks.hydrate} describes.
 *
 * Its age is read from the wall clock once; from then on it runs on monotonic time like that of any other set.
 */
export function createHydrate(
  url: string,
  settings: JwksSettings,
  held: HeldKeySet,
  disposal: AbortSignal,
): (snapshot: JwksSnapshot) => Promise<boolean> {
  const { clock, maxTtlMs, maxKeys, staleWhileErrorMs } = settings;
  const isWanted = (requestedAtMs: number, ttlMs: number): boolean => {
    const latest = held.latest();
    if (latest !== undefined && requestedAtMs < latest.requestedAtMs + LEAST_NEWER_MS) return false;
    return clock.monotonicMs() < requestedAtMs + ttlMs + staleWhileErrorMs;
  };
  return async (snapshot) => {
    disposal.throwIfAborted();
    const { fetchedAtMs, etag, lastModified } = snapshot;
    const validators = withoutUndefined({ etag, lastModified });
    const ttlMs = Math.min(snapshot.ttlMs, maxTtlMs);
    const ageMs = clock.nowMs() - fetchedAtMs;
    // The comparisons are false for what is no number.
    if (snapshot.url !== url || !(ageMs >= -CLOCK_TOLERANCE_MS) || !(ttlMs >= 0)) return false;
    const requestedAtMs = clock.monotonicMs() - Math.max(0, ageMs);
    if (!isWanted(requestedAtMs, ttlMs)) return false;
    const keySet = await parseKeySet({ keys: snapshot.keys }, { maxKeys, previous: held.latest()?.keySet });
    disposal.throwIfAborted();
    // An answer may have come meanwhile.
    if (!isWanted(requestedAtMs, ttlMs)) return false;
    // The place of the set before: every request under way was sent later and knows better.
    const sequence = held.latest()?.sequence ?? 0;
    held.store({ keySet, sequence, requestedAtMs, ttlMs, validators, freshness: {} });
    return true;
  };
}
