import { AuthError, type KeysUnavailableCode, KeysUnavailableError } from "../errors.js";
import { createSingleFlight } from "../lib/single-flight.js";
import type { HeldKeySet } from "./held-key-set.js";
import type { JwksSettings } from "./jwks-options.js";
import type { LoadKeySet } from "./load-key-set.js";
import { retry } from "./retry.js";

/** Decides when a request is sent, and lets callers wait for it. */
export interface KeySetRefresher {
  /** Fetches now, with retries, or joins such a refresh under way. Cooldowns do not apply. */
  refresh(signal?: AbortSignal): Promise<void>;
  /** For a caller who cannot do without a set: a refresh, unless one failed within the cooldown. */
  load(signal?: AbortSignal): Promise<void>;
  /**
   * For a caller whose "kid" is not in the set: at most one request, without retries, per cooldown. Resolves when the
   * set is as new as can be had; rejects when nobody can say.
   */
  lookAgain(signal?: AbortSignal): Promise<void>;
  /** Whether a request is under way. */
  readonly busy: boolean;
  /** Failures since the last success. */
  readonly failures: number;
  /** Why the last request failed; undefined after a success. */
  readonly lastFailure: KeysUnavailableCode | undefined;
}

// A set is used for most of its life even when it lives shorter than `refreshEarlyMs`; otherwise requests would follow
// one another without a pause.
const EARLIEST_REFRESH = 0.8;

/**
 * Creates a {@link KeySetRefresher}.
 *
 * Both cooldowns begin before the request is sent, so that no number of callers, and no way in which the request may
 * end, causes a second one before time.
 *
 * @param disposal - Ends requests and timers.
 */
export function createKeySetRefresher(
  loadKeySet: LoadKeySet,
  held: HeldKeySet,
  settings: JwksSettings,
  disposal: AbortSignal,
): KeySetRefresher {
  const { clock, telemetry, cooldownMs, attemptTimeoutMs, maxPendingCallers } = settings;
  const flights = createSingleFlight<"refresh" | "forced", void>();
  const underWay = new Set<"refresh" | "forced">();
  let timer: Disposable | undefined;
  let failures = 0;
  let lastFailure: KeysUnavailableCode | undefined;
  let refreshAllowedAtMs = Number.NEGATIVE_INFINITY;
  let forcedAllowedAtMs = Number.NEGATIVE_INFINITY;
  let forcedFailed = false;

  const schedule = (delayMs: number): void => {
    timer?.[Symbol.dispose]();
    if (!disposal.aborted) timer = clock.setTimer(() => void refresh().catch(() => {}), Math.max(0, delayMs));
  };
  disposal.addEventListener("abort", () => timer?.[Symbol.dispose](), { once: true });

  const onLoaded = (): void => {
    failures = 0;
    lastFailure = undefined;
    refreshAllowedAtMs = Number.NEGATIVE_INFINITY;
    forcedFailed = false;
    const { requestedAtMs = 0, ttlMs = 0 } = held.latest() ?? {};
    const earlyMs = settings.refreshEarlyMs + Math.random() * settings.refreshJitterMs;
    schedule(requestedAtMs + Math.max(ttlMs - earlyMs, ttlMs * EARLIEST_REFRESH) - clock.monotonicMs());
  };

  const onFailed = (kind: "refresh" | "forced", error: unknown): void => {
    failures++;
    lastFailure = error instanceof KeysUnavailableError ? error.code : "ERR_KEYS_UNAVAILABLE";
    // With keys in hand, callers do not wait for the next try: it comes by itself. After a forced request it comes when
    // it was due anyway, or else a stranger with a made-up "kid" could cause a refresh with all its retries.
    if (kind === "refresh" && held.latest() !== undefined) schedule(cooldownMs);
  };

  const run = (kind: "refresh" | "forced", work: () => Promise<void>, signal?: AbortSignal): Promise<void> =>
    flights.run(
      kind,
      async () => {
        underWay.add(kind);
        const startedAtMs = clock.monotonicMs();
        let outcome = "ok";
        try {
          await work();
          onLoaded();
        } catch (error) {
          outcome = error instanceof AuthError ? error.code : "ERR_KEYS_UNAVAILABLE";
          if (!disposal.aborted) onFailed(kind, error);
          throw error;
        } finally {
          underWay.delete(kind);
          telemetry.count("latchkey.jwks.refreshes", { kind, outcome });
          telemetry.record("latchkey.jwks.refresh_ms", clock.monotonicMs() - startedAtMs, { kind });
        }
      },
      signal,
    );

  const refresh = (signal?: AbortSignal): Promise<void> =>
    run(
      "refresh",
      () => {
        refreshAllowedAtMs = clock.monotonicMs() + cooldownMs;
        const attempt = (leftMs: number): Promise<void> => loadKeySet(Math.min(attemptTimeoutMs, leftMs), disposal);
        return retry(attempt, isTransient, settings, disposal);
      },
      signal,
    );

  const force = (signal?: AbortSignal): Promise<void> =>
    run(
      "forced",
      async () => {
        forcedAllowedAtMs = clock.monotonicMs() + cooldownMs;
        forcedFailed = true;
        await loadKeySet(attemptTimeoutMs, disposal);
      },
      signal,
    );

  const assertRoom = (): void => {
    if (flights.waiting("refresh") + flights.waiting("forced") < maxPendingCallers) return;
    throw new KeysUnavailableError("ERR_TOO_MANY_PENDING", "Too many callers wait for the key set");
  };

  const coolingDown = (untilMs: number): KeysUnavailableError =>
    new KeysUnavailableError(lastFailure ?? "ERR_KEYS_UNAVAILABLE", "The key set could not be fetched a moment ago", {
      retryAfterMs: untilMs - clock.monotonicMs(),
    });

  return {
    refresh,
    async load(signal) {
      if (!underWay.has("refresh") && clock.monotonicMs() < refreshAllowedAtMs) throw coolingDown(refreshAllowedAtMs);
      assertRoom();
      await refresh(signal);
    },
    async lookAgain(signal) {
      const nowMs = clock.monotonicMs();
      const joining = underWay.has("forced") || underWay.has("refresh");
      if (!joining && nowMs < forcedAllowedAtMs) {
        if (forcedFailed) throw coolingDown(forcedAllowedAtMs);
        return;
      }
      if (!joining && nowMs < refreshAllowedAtMs) throw coolingDown(refreshAllowedAtMs);
      assertRoom();
      await (underWay.has("refresh") && !underWay.has("forced") ? refresh(signal) : force(signal));
    },
    get busy() {
      return underWay.size > 0;
    },
    get failures() {
      return failures;
    },
    get lastFailure() {
      return lastFailure;
    },
  };
}

function isTransient(error: unknown): boolean {
  return error instanceof KeysUnavailableError && error.code === "ERR_KEYS_UNAVAILABLE";
}
