import type { HeldKeySet } from "./held-key-set.js";
import type { JwksStatus } from "./jwks.js";
import type { JwksSettings } from "./jwks-options.js";
import type { RefresherHealth } from "./key-set-refresher.js";
import type { KeyRequestOutcome } from "./measurements.js";

/** Counts requests for keys, and puts together a {@link JwksStatus}. */
export interface JwksStatusReader {
  /** Counts a request for a key. */
  count(outcome: KeyRequestOutcome): void;
  /** Tells how the cache is doing. */
  read(): JwksStatus;
}

/** Creates a {@link JwksStatusReader}. */
export function createJwksStatus(
  held: HeldKeySet,
  health: RefresherHealth,
  { clock }: JwksSettings,
  disposal: AbortSignal,
): JwksStatusReader {
  const counts: Record<KeyRequestOutcome, number> = { hit: 0, stale: 0, miss: 0 };
  return {
    count(outcome) {
      counts[outcome]++;
    },
    read() {
      const nowMs = clock.monotonicMs();
      const wallMs = clock.nowMs();
      const toEpochMs = (atMs: number | undefined): number | undefined =>
        atMs === undefined ? undefined : Math.round(wallMs + atMs - nowMs);
      const latest = held.latest();
      const requests = counts.hit + counts.stale + counts.miss;
      return {
        state: latest === undefined ? (health.busy ? "loading" : "empty") : health.busy ? "refreshing" : "ready",
        usable: held.usable() !== undefined && !disposal.aborted,
        stale: held.isStale(),
        kids: [...(latest?.keySet.keys.keys() ?? [])],
        unusableKeys: latest?.keySet.unusableCount ?? 0,
        ageMs: latest && nowMs - latest.requestedAtMs,
        fetchedAtMs: toEpochMs(latest?.requestedAtMs),
        expiresAtMs: toEpochMs(latest && latest.requestedAtMs + latest.ttlMs),
        usableUntilMs: toEpochMs(held.usableUntilMs()),
        nextRefreshAtMs: toEpochMs(health.nextRefreshAtMs),
        consecutiveFailures: health.failures,
        lastFailure: health.lastFailure,
        circuit: health.circuitOpen ? "open" : "closed",
        hits: counts.hit,
        staleServed: counts.stale,
        misses: counts.miss,
        hitRate: requests === 0 ? 1 : (counts.hit + counts.stale) / requests,
      };
    },
  };
}
