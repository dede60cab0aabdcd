import type { Labels, Telemetry } from "../telemetry/telemetry.js";
import type { RefreshKind } from "./jwks-event.js";

/** How a request for a key was answered: from a fresh set, from one past its freshness, or not from what was in hand. */
export type KeyRequestOutcome = "hit" | "stale" | "miss";

/** What a key cache tells of itself. None of it fails, whatever the telemetry does. */
export interface JwksMeasurements {
  /** A key was asked for. */
  keyRequested(outcome: KeyRequestOutcome): void;
  /**
   * A refresh began.
   *
   * @returns What to call at its end with `ok` or an error code, its duration and the age of the set in hand before.
   */
  refreshStarted(kind: RefreshKind): (outcome: string, durationMs: number, ageMs: number | undefined) => void;
  /** Published keys were left out. */
  unusableKeys(reason: string, count: number): void;
}

/** Creates {@link JwksMeasurements} that carry `labels`. */
export function createJwksMeasurements(telemetry: Telemetry, labels: Labels): JwksMeasurements {
  // Made once: a key in hand costs no allocation.
  const outcomes = {
    hit: { ...labels, outcome: "hit" },
    stale: { ...labels, outcome: "stale" },
    miss: { ...labels, outcome: "miss" },
  } as const satisfies Record<KeyRequestOutcome, Labels>;
  return {
    keyRequested: (outcome) => attempt(() => telemetry.count("latchkey.jwks.requests", outcomes[outcome])),
    refreshStarted(kind) {
      const span = attempt(() => telemetry.startSpan?.("latchkey.jwks.refresh", { ...labels, kind }));
      return (outcome, durationMs, ageMs) => {
        attempt(() => span?.end(outcome));
        attempt(() => telemetry.count("latchkey.jwks.refreshes", { ...labels, kind, outcome }));
        attempt(() => telemetry.record("latchkey.jwks.refresh_ms", durationMs, { ...labels, kind }));
        if (ageMs !== undefined) attempt(() => telemetry.record("latchkey.jwks.key_set_age_ms", ageMs, labels));
      };
    },
    unusableKeys: (reason, count) =>
      attempt(() => telemetry.record("latchkey.jwks.unusable_keys", count, { ...labels, reason })),
  };
}

function attempt<T>(tell: () => T): T | undefined {
  try {
    const told = tell();
    // An async function fits where a void one is asked for.
    if (told instanceof Promise) told.catch(() => {});
    return told;
  } catch {
    // No call must fail because it could not be counted.
    return undefined;
  }
}
