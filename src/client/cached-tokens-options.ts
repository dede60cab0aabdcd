import { type Clock, systemClock } from "../lib/clock.js";
import {
  assertFields,
  assertFunction,
  assertPositive,
  assertPositiveInteger,
  type FieldsOf,
  typeName,
  withoutUndefined,
} from "../lib/options.js";
import { noTelemetry, type Telemetry } from "../telemetry/telemetry.js";
import type { TokenSource } from "../token/token.js";
import { REFRESH } from "./held-token.js";
import type { TokenEvent } from "./token-event.js";

/** Options of {@link cachedTokens}; every field has a default. Durations are in milliseconds, positive and finite. */
export interface CachedTokensOptions {
  /** How many tokens are kept, one per audience or cache key; the one not used for longest goes. @defaultValue `1_000` */
  readonly maxEntries?: number;
  /** How long the source may take, whatever the deadlines of the callers. @defaultValue `30_000` (30 seconds) */
  readonly timeoutMs?: number;
  /** Least time between two refreshes that rejections cause, per token. @defaultValue `10_000` (10 seconds) */
  readonly forcedRefreshIntervalMs?: number;
  /**
   * How long before its expiry a token is replaced at the latest, but not before half of its life. One that is given has
   * to be shorter than the lifetime that the source states. @defaultValue `30_000` (30 seconds)
   */
  readonly refreshMarginMs?: number;
  /**
   * Told what happens to tokens: by audience, code and length, never by value. It is called while callers wait; what it
   * throws is dropped. @defaultValue nobody
   */
  readonly onEvent?: (event: TokenEvent) => void;
  /** Where refreshes are counted and timed, each with a span that carries the length of the token. @defaultValue nowhere */
  readonly telemetry?: Telemetry;
  /** Time of the cache. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

const OPTIONS: FieldsOf<CachedTokensOptions> = {
  maxEntries: true,
  timeoutMs: true,
  forcedRefreshIntervalMs: true,
  refreshMarginMs: true,
  onEvent: true,
  telemetry: true,
  clock: true,
};

const DEFAULTS = {
  maxEntries: 1_000,
  timeoutMs: 30_000,
  forcedRefreshIntervalMs: 10_000,
  refreshMarginMs: 30_000,
  onEvent: () => {},
  telemetry: noTelemetry,
  clock: systemClock,
} satisfies CachedTokensOptions;

/**
 * Gives the options with their defaults.
 *
 * @throws TypeError or RangeError, naming the field, as {@link cachedTokens} documents.
 */
export function readCachedTokensOptions(
  source: TokenSource,
  options: CachedTokensOptions,
): Required<CachedTokensOptions> {
  if (typeof source?.getToken !== "function") {
    throw new TypeError(`source must be a token source, got ${typeName(source)}`);
  }
  assertFields("options", options, OPTIONS);
  const settings: Required<CachedTokensOptions> = { ...DEFAULTS, ...withoutUndefined(options) };
  const { maxEntries, timeoutMs, forcedRefreshIntervalMs, refreshMarginMs, onEvent } = settings;
  assertPositiveInteger("maxEntries", maxEntries);
  assertPositive("timeoutMs", timeoutMs);
  assertPositive("forcedRefreshIntervalMs", forcedRefreshIntervalMs);
  assertPositive("refreshMarginMs", refreshMarginMs);
  assertFunction("onEvent", onEvent);
  if (source.lifetimeMs !== undefined) assertLifetime(source.lifetimeMs, options.refreshMarginMs);
  return settings;
}

function assertLifetime(lifetimeMs: number, refreshMarginMs: number | undefined): void {
  assertPositive("source.lifetimeMs", lifetimeMs);
  if (lifetimeMs > REFRESH.longestLifeMs) {
    throw new RangeError(`source.lifetimeMs must be at most ${REFRESH.longestLifeMs} (24 hours), got ${lifetimeMs}`);
  }
  // The default gives way to a short life; a margin that somebody chose and that cannot be kept is a mistake.
  if (refreshMarginMs !== undefined && refreshMarginMs >= lifetimeMs) {
    throw new RangeError(
      `refreshMarginMs must be less than the lifetime of the tokens, ${lifetimeMs}, got ${refreshMarginMs}`,
    );
  }
}
