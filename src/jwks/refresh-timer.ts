import type { HeldKeySet } from "./held-key-set.js";
import type { JwksSettings } from "./jwks-options.js";

/** The one timer of a key cache: when the set in hand is replaced without anyone waiting. */
export interface RefreshTimer {
  /** Sets it to shortly before the end of the freshness of the set in hand. */
  scheduleRefresh(): void;
  /**
   * Sets it to the next try after a failure.
   *
   * @param allowedAtMs - When the issuer may be asked again, on monotonic time.
   */
  scheduleRetry(allowedAtMs: number): void;
  /** When it is due, on monotonic time; undefined when it is not set. */
  readonly dueAtMs: number | undefined;
}

// A set is used for most of its life even when it lives shorter than `refreshEarlyMs`; otherwise requests would follow
// one another without a pause.
const LEAST_USE = 0.8;
// Of a short life, too, the end is spread, but not over most of it.
const MOST_SPREAD = 0.1;

/** Creates a {@link RefreshTimer} that is not set. */
export function createRefreshTimer(
  onDue: () => void,
  held: HeldKeySet,
  settings: JwksSettings,
  disposal: AbortSignal,
): RefreshTimer {
  const { clock, refreshEarlyMs, refreshJitterMs, totalTimeoutMs, cooldownMs } = settings;
  let timer: Disposable | undefined;
  let dueAtMs: number | undefined;
  const clear = (): void => {
    timer?.[Symbol.dispose]();
    dueAtMs = undefined;
  };
  const schedule = (atMs: number): void => {
    clear();
    if (disposal.aborted) return;
    const nowMs = clock.monotonicMs();
    dueAtMs = Math.max(nowMs, atMs);
    timer = clock.setTimer(() => {
      dueAtMs = undefined;
      onDue();
    }, dueAtMs - nowMs);
  };
  disposal.addEventListener("abort", clear, { once: true });
  return {
    scheduleRefresh() {
      const { requestedAtMs = 0, ttlMs = 0 } = held.latest() ?? {};
      const latestMs = Math.max(ttlMs - refreshEarlyMs, ttlMs * LEAST_USE);
      const spreadMs = Math.min(refreshJitterMs, ttlMs * MOST_SPREAD);
      schedule(requestedAtMs + latestMs - Math.random() * spreadMs);
    },
    scheduleRetry(allowedAtMs) {
      // An issuer that asks for a longer pause than the keys in hand last is asked once more while they do: otherwise a
      // short outage with a long "Retry-After" would have valid tokens refused.
      const lastChanceMs = (held.usableUntilMs() ?? 0) - totalTimeoutMs;
      const worthwhile = lastChanceMs > clock.monotonicMs() + cooldownMs;
      schedule(worthwhile ? Math.min(allowedAtMs, lastChanceMs) : allowedAtMs);
    },
    get dueAtMs() {
      return dueAtMs;
    },
  };
}
