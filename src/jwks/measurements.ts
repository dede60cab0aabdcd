import { createGuardedTelemetry } from "../telemetry/guarded-telemetry.js";
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
  const guarded = createGuardedTelemetry(telemetry);
  // Made once: a key in hand costs no allocation of labels.
  const outcomes = {
    hit: { ...labels, outcome: "hit" },
    stale: { ...labels, outcome: "stale" },
    miss: { ...labels, outcome: "miss" },
  } as const satisfies Record<KeyRequestOutcome, Labels>;
  return {
    keyRequested: (outcome) => guarded.count("latchkey.jwks.requests", outcomes[outcome]),
    refreshStarted(kind) {
      const span = guarded.startSpan?.("latchkey.jwks.refresh", { ...labels, kind });
      return (outcome, durationMs, ageMs) => {
        span?.end(outcome);
        guarded.count("latchkey.jwks.refreshes", { ...labels, kind, outcome });
        guarded.record("latchkey.jwks.refresh_ms", durationMs, { ...labels, kind });
        if (ageMs !== undefined) guarded.record("latchkey.jwks.key_set_age_ms", ageMs, labels);
      };
    },
    unusableKeys: (reason, count) => guarded.record("latchkey.jwks.unusable_keys", count, { ...labels, reason }),
  };
}
