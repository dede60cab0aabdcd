import { type KeysUnavailableCode, KeysUnavailableError } from "../errors.js";
import type { JwksSettings } from "../jwks/jwks-options.js";
import { attend, markUnattended } from "../lib/attendance.js";
import { withDeadline } from "../lib/deadline.js";
import { notify } from "../lib/notify.js";
import { createSingleFlight } from "../lib/single-flight.js";
import { createGuardedTelemetry } from "../telemetry/guarded-telemetry.js";

/** What was found out from the metadata of an issuer, kept up to date. */
export interface Discovery<T> {
  /**
   * Gives what was found: at once when anything was, else after asking. What is older than `maxTtlMs` serves on while it
   * is looked for again in the background.
   *
   * Rejects with {@link KeysUnavailableError}; within `cooldownMs` of a failure at once.
   */
  get(): Promise<T>;
  /** Gives what was found, however old, without asking. */
  peek(): T | undefined;
  /** Has it looked for again in the background, unless that was done within `cooldownMs`. Never fails. */
  again(): void;
}

/** Options of {@link createDiscovery}. */
export interface DiscoveryOptions<T> {
  /** Whose metadata it is. */
  readonly issuer: string;
  /** Looks for it; gives `latest` when that is what was found. Its signal aborts at the deadline and on disposal. */
  readonly find: (signal: AbortSignal, latest: T | undefined) => Promise<T>;
  /** Durations, limits and collaborators: those of the key set hold for the metadata too. */
  readonly settings: JwksSettings;
  /** Ends it. */
  readonly disposal: AbortSignal;
}

/**
 * Creates a {@link Discovery} that has found nothing yet and asks nobody until it is asked itself.
 *
 * One search is under way at most, for all who wait, with `totalTimeoutMs` for everything in it. The pause until the next
 * begins before the first request is sent, so that no number of callers, and no way in which it may end, causes a second
 * one before time; a "Retry-After" prolongs it. What was found stays until something else is found, for as long as it
 * takes. Holds no timer between searches, and keeps the process alive only while a caller waits.
 */
export function createDiscovery<T extends object>(options: DiscoveryOptions<T>): Discovery<T> {
  const { issuer, find, settings, disposal } = options;
  const { clock, cooldownMs, totalTimeoutMs, maxTtlMs, maxPendingCallers, onEvent } = settings;
  const telemetry = createGuardedTelemetry(settings.telemetry);
  const flights = createSingleFlight<"metadata", T>();
  let found: { readonly value: T; readonly askedAtMs: number } | undefined;
  let allowedAtMs = Number.NEGATIVE_INFINITY;
  let failures = 0;
  let lastFailure: KeysUnavailableCode = "ERR_KEYS_UNAVAILABLE";

  const isUnderWay = (): boolean => flights.waiting("metadata") > 0;
  const isCoolingDown = (): boolean => clock.monotonicMs() < allowedAtMs;
  const count = (outcome: string): void =>
    telemetry.count("latchkey.verify.discoveries", { ...settings.labels, issuer, outcome });

  const onFound = (value: T, askedAtMs: number): void => {
    const changed = value !== found?.value;
    found = { value, askedAtMs };
    failures = 0;
    count("ok");
    notify(onEvent, { type: "discovered", changed });
  };

  const onFailed = ({ code, retryAfterMs = 0 }: KeysUnavailableError): void => {
    allowedAtMs = Math.max(allowedAtMs, clock.monotonicMs() + retryAfterMs);
    failures++;
    lastFailure = code;
    count(code);
    notify(onEvent, { type: "discovery_failed", code, consecutiveFailures: failures });
  };

  const search = async (isAwaited: boolean): Promise<T> => {
    const askedAtMs = clock.monotonicMs();
    allowedAtMs = askedAtMs + cooldownMs;
    const late = (): Error =>
      new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "The issuer metadata was not answered in time");
    const deadline = { timeoutMs: totalTimeoutMs, late, clock, signal: disposal };
    try {
      const value = await withDeadline(
        (signal) => find(isAwaited ? signal : markUnattended(signal), found?.value),
        deadline,
      );
      disposal.throwIfAborted();
      onFound(value, askedAtMs);
      return value;
    } catch (error) {
      if (disposal.aborted) throw disposal.reason;
      const failure = toUnavailable(error);
      onFailed(failure);
      throw withWait(failure, allowedAtMs - clock.monotonicMs());
    }
  };

  const coolingDown = (): KeysUnavailableError =>
    new KeysUnavailableError(lastFailure, "The issuer metadata could not be read a moment ago", {
      retryAfterMs: allowedAtMs - clock.monotonicMs(),
    });

  const again = (): void => {
    if (disposal.aborted || isUnderWay() || isCoolingDown()) return;
    flights.run("metadata", () => search(false)).catch(() => {});
  };

  return {
    async get() {
      disposal.throwIfAborted();
      if (found !== undefined) {
        if (clock.monotonicMs() >= found.askedAtMs + maxTtlMs) again();
        return found.value;
      }
      if (!isUnderWay() && isCoolingDown()) throw coolingDown();
      if (flights.waiting("metadata") >= maxPendingCallers) {
        throw new KeysUnavailableError("ERR_TOO_MANY_PENDING", "Too many callers wait for the issuer metadata", {
          retryAfterMs: settings.attemptTimeoutMs,
        });
      }
      return attend(
        flights.run("metadata", () => search(true)),
        clock,
      );
    },
    peek: () => found?.value,
    again,
  };
}

function withWait(failure: KeysUnavailableError, retryAfterMs: number): KeysUnavailableError {
  if (retryAfterMs <= 0) return failure;
  return new KeysUnavailableError(failure.code, failure.message, { cause: failure, retryAfterMs });
}

/** What is neither an outage nor a bad document is a place that must not be asked, as a fetch of the user's may say. */
function toUnavailable(error: unknown): KeysUnavailableError {
  if (error instanceof KeysUnavailableError) return error;
  return new KeysUnavailableError("ERR_KEYS_INVALID", "The issuer metadata cannot be used", { cause: error });
}
