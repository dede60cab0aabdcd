import { AuthError, type KeysUnavailableCode, KeysUnavailableError } from "../errors.js";
import { attend, markUnattended } from "../lib/attendance.js";
import { withDeadline } from "../lib/deadline.js";
import { notify } from "../lib/notify.js";
import { retry } from "../lib/retry.js";
import { createSingleFlight } from "../lib/single-flight.js";
import { createCircuitBreaker } from "./circuit-breaker.js";
import { retryDelayMs } from "./fetch-document.js";
import type { HeldKeySet } from "./held-key-set.js";
import type { RefreshKind } from "./jwks-event.js";
import type { JwksSettings } from "./jwks-options.js";
import type { LoadKeySet } from "./load-key-set.js";
import type { JwksMeasurements } from "./measurements.js";
import { createRefreshTimer } from "./refresh-timer.js";

/**
 * Decides when a request is sent, and lets callers wait for it. The process stays alive while one waits, and not for what
 * goes on in the background.
 */
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
  /** Has a set that did not come by a request confirmed in the background: at once, or when a pause after a failure ends. */
  confirm(): void;
  /** How it is doing. */
  readonly health: RefresherHealth;
}

/** What of a refresher goes into a status. */
export interface RefresherHealth {
  /** Whether a request is under way. */
  readonly busy: boolean;
  /** Failures since the last success. */
  readonly failures: number;
  /** Why the last request failed; undefined after a success. */
  readonly lastFailure: KeysUnavailableCode | undefined;
  /** Whether the circuit is open. */
  readonly circuitOpen: boolean;
  /** When the next refresh in the background begins, on monotonic time; undefined when none is due. */
  readonly nextRefreshAtMs: number | undefined;
}

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
  measurements: JwksMeasurements,
  disposal: AbortSignal,
): KeySetRefresher {
  const { clock, cooldownMs, attemptTimeoutMs, totalTimeoutMs, maxPendingCallers, onEvent } = settings;
  const flights = createSingleFlight<RefreshKind, void>();
  const underWay = new Set<RefreshKind>();
  const breaker = createCircuitBreaker(settings.breakerFailures, (open) => notify(onEvent, { type: "circuit", open }));
  const timer = createRefreshTimer(() => inBackground(), held, settings, disposal);
  const nobody = markUnattended(new AbortController().signal);
  let lastFailure: KeysUnavailableCode | undefined;
  let refreshAllowedAtMs = Number.NEGATIVE_INFINITY;
  let forcedAllowedAtMs = Number.NEGATIVE_INFINITY;
  let forcedFailed = false;

  const onLoaded = (kind: RefreshKind, changed: boolean): void => {
    breaker.onSuccess();
    lastFailure = undefined;
    refreshAllowedAtMs = Number.NEGATIVE_INFINITY;
    forcedFailed = false;
    timer.scheduleRefresh();
    notify(onEvent, { type: "refreshed", kind, changed, unusableKeys: held.latest()?.keySet.unusableCount ?? 0 });
  };

  const onFailed = (kind: RefreshKind, error: unknown): void => {
    const code = error instanceof KeysUnavailableError ? error.code : "ERR_KEYS_UNAVAILABLE";
    const askedForMs = (error instanceof KeysUnavailableError && error.retryAfterMs) || 0;
    lastFailure = code;
    breaker.onFailure();
    const nowMs = clock.monotonicMs();
    if (kind === "forced") forcedAllowedAtMs = Math.max(forcedAllowedAtMs, nowMs + askedForMs);
    else refreshAllowedAtMs = Math.max(refreshAllowedAtMs, nowMs + askedForMs);
    if (breaker.isOpen) refreshAllowedAtMs = Math.max(refreshAllowedAtMs, nowMs + settings.breakerOpenMs);
    // With keys in hand, callers do not wait for the next try: it comes by itself. After a forced request it comes when
    // it was due anyway, or else a stranger with a made-up "kid" could cause a refresh with all its retries; an open
    // circuit may put it off.
    const isTooSoon = (timer.dueAtMs ?? Number.POSITIVE_INFINITY) < refreshAllowedAtMs;
    if (held.latest() !== undefined && (kind === "refresh" || isTooSoon)) {
      timer.scheduleRetry(Math.max(refreshAllowedAtMs, nowMs + cooldownMs));
    }
    notify(onEvent, { type: "refresh_failed", kind, code, consecutiveFailures: breaker.failures });
  };

  const run = (
    kind: RefreshKind,
    work: (signal: AbortSignal) => Promise<boolean>,
    signal?: AbortSignal,
  ): Promise<void> => {
    const flight = flights.run(
      kind,
      async () => {
        underWay.add(kind);
        const startedAtMs = clock.monotonicMs();
        const { requestedAtMs } = held.latest() ?? {};
        const ended = measurements.refreshStarted(kind);
        let outcome = "ok";
        try {
          const late = (): Error =>
            new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "The key set did not come in time");
          const deadline = { timeoutMs: totalTimeoutMs, late, clock, signal: disposal };
          const changed = await withDeadline(work, deadline);
          disposal.throwIfAborted();
          onLoaded(kind, changed);
        } catch (error) {
          outcome = error instanceof AuthError ? error.code : "ERR_KEYS_UNAVAILABLE";
          if (disposal.aborted) throw error;
          onFailed(kind, error);
          throw withWait(error, kind === "forced" ? lookAllowedAtMs() : refreshAllowedAtMs);
        } finally {
          underWay.delete(kind);
          const endedAtMs = clock.monotonicMs();
          ended(outcome, endedAtMs - startedAtMs, requestedAtMs === undefined ? undefined : endedAtMs - requestedAtMs);
        }
      },
      signal,
    );
    return attend(flight, clock, signal);
  };

  const refresh = (signal?: AbortSignal, retries = settings.retries): Promise<void> =>
    run(
      "refresh",
      (deadline) => {
        refreshAllowedAtMs = clock.monotonicMs() + cooldownMs;
        return retry(() => loadKeySet(deadline), retryDelayMs, { ...settings, retries }, deadline);
      },
      signal,
    );

  // While the circuit is open, one single request at a time shows whether the issuer is back.
  const carefully = (signal?: AbortSignal): Promise<void> => refresh(signal, breaker.isOpen ? 0 : settings.retries);

  const inBackground = (): void => void carefully(nobody).catch(() => {});

  const claimForced = (): void => {
    forcedAllowedAtMs = clock.monotonicMs() + cooldownMs;
    forcedFailed = true;
  };

  const force = (signal?: AbortSignal): Promise<void> =>
    run(
      "forced",
      (deadline) => {
        claimForced();
        return loadKeySet(deadline);
      },
      signal,
    );

  const assertRoom = (): void => {
    if (flights.waiting("refresh") + flights.waiting("forced") < maxPendingCallers) return;
    throw new KeysUnavailableError("ERR_TOO_MANY_PENDING", "Too many callers wait for the key set", {
      retryAfterMs: attemptTimeoutMs,
    });
  };

  const mustWaitForRefresh = (): boolean => !underWay.has("refresh") && clock.monotonicMs() < refreshAllowedAtMs;

  const lookAllowedAtMs = (): number => Math.max(forcedAllowedAtMs, refreshAllowedAtMs);

  const withWait = (error: unknown, untilMs: number): unknown => {
    const retryAfterMs = untilMs - clock.monotonicMs();
    if (!(error instanceof KeysUnavailableError) || retryAfterMs <= 0) return error;
    return new KeysUnavailableError(error.code, error.message, { cause: error, retryAfterMs });
  };

  const coolingDown = (untilMs: number): KeysUnavailableError =>
    new KeysUnavailableError(lastFailure ?? "ERR_KEYS_UNAVAILABLE", "The key set could not be fetched a moment ago", {
      retryAfterMs: untilMs - clock.monotonicMs(),
    });

  return {
    refresh: (signal) => refresh(signal),
    async load(signal) {
      if (mustWaitForRefresh()) throw coolingDown(refreshAllowedAtMs);
      assertRoom();
      await carefully(signal);
    },
    async lookAgain(signal) {
      const nowMs = clock.monotonicMs();
      if (underWay.size === 0) {
        if (nowMs < forcedAllowedAtMs && !forcedFailed) return;
        if (nowMs < lookAllowedAtMs()) throw coolingDown(lookAllowedAtMs());
      }
      assertRoom();
      if (underWay.has("refresh")) return refresh(signal);
      if (underWay.has("forced") || !breaker.isOpen) return force(signal);
      // While the circuit is open one request is for all, so that the timer joins this one.
      claimForced();
      await carefully(signal);
    },
    confirm() {
      if (mustWaitForRefresh()) timer.scheduleRetry(refreshAllowedAtMs);
      else inBackground();
    },
    health: {
      get busy() {
        return underWay.size > 0;
      },
      get failures() {
        return breaker.failures;
      },
      get lastFailure() {
        return lastFailure;
      },
      get circuitOpen() {
        return breaker.isOpen;
      },
      get nextRefreshAtMs() {
        return timer.dueAtMs;
      },
    },
  };
}
