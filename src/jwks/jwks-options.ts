import { type Clock, systemClock } from "../lib/clock.js";
import {
  assertNotNegative,
  assertPositive,
  assertPositiveInteger,
  typeName,
  withoutUndefined,
} from "../lib/options.js";
import { noTelemetry, type Telemetry } from "../telemetry/telemetry.js";

/** The part of the global `fetch` that a {@link Jwks} uses. */
export type JwksFetch = (url: string, init: RequestInit) => Promise<Response>;

/** Options of {@link createJwks}; every field has a default. Durations are in milliseconds, positive and finite. */
export interface JwksOptions {
  /** Shortest time a fetched key set counts as fresh, whatever the response says. @defaultValue `30_000` (30 seconds) */
  readonly minTtlMs?: number;
  /**
   * Longest time a fetched key set counts as fresh, whatever the response says: the longest that a key taken out of the
   * set stays trusted while the issuer answers. @defaultValue `3_600_000` (1 hour)
   */
  readonly maxTtlMs?: number;
  /** How long a key set is fresh when the response does not say. @defaultValue `600_000` (10 minutes) */
  readonly fallbackTtlMs?: number;
  /** How long before its end a fresh key set is replaced in the background. @defaultValue `30_000` (30 seconds) */
  readonly refreshEarlyMs?: number;
  /** Spread of that moment, so that many processes do not ask at once; may be 0. @defaultValue `5_000` (5 seconds) */
  readonly refreshJitterMs?: number;
  /** Longest duration of one request, its body included. @defaultValue `3_000` (3 seconds) */
  readonly attemptTimeoutMs?: number;
  /**
   * Longest duration of a refresh, all its requests and the waits between them included.
   *
   * @defaultValue `8_000` (8 seconds)
   */
  readonly totalTimeoutMs?: number;
  /** How often a failed request of a refresh is repeated; may be 0. @defaultValue `2` */
  readonly retries?: number;
  /** Upper bound of the random wait before the first repetition; doubles with each. @defaultValue `250` */
  readonly retryMinDelayMs?: number;
  /** Upper bound of the random wait before any repetition. @defaultValue `2_000` (2 seconds) */
  readonly retryMaxDelayMs?: number;
  /**
   * Shortest time between two requests caused by unknown kids, and between two refreshes of which the first failed.
   *
   * @defaultValue `30_000` (30 seconds)
   */
  readonly cooldownMs?: number;
  /**
   * How long a key set serves on after its freshness has ended while refreshing it fails; may be 0.
   *
   * @defaultValue `600_000` (10 minutes)
   */
  readonly staleWhileErrorMs?: number;
  /** Longest body, in bytes after decompression. @defaultValue `524_288` (512 KiB) */
  readonly maxBodyBytes?: number;
  /** Most keys a set may have; a longer set is refused. @defaultValue `100` */
  readonly maxKeys?: number;
  /** Most callers that wait for one request caused by unknown kids. @defaultValue `1_000` */
  readonly maxPendingCallers?: number;
  /** Permits `http:` for `localhost`, `127.0.0.0/8` and `[::1]`, as development needs. @defaultValue `false` */
  readonly allowLoopbackHttp?: boolean;
  /** Sends the requests; redirects, deadline and caps are enforced whatever it does. @defaultValue the global `fetch` */
  readonly fetch?: JwksFetch;
  /** Where measurements go. @defaultValue nowhere */
  readonly telemetry?: Telemetry;
  /** Time. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** {@link JwksOptions} with every field set. */
export type JwksSettings = Required<JwksOptions>;

const DEFAULTS = {
  minTtlMs: 30 * 1_000,
  maxTtlMs: 60 * 60 * 1_000,
  fallbackTtlMs: 10 * 60 * 1_000,
  refreshEarlyMs: 30 * 1_000,
  refreshJitterMs: 5 * 1_000,
  attemptTimeoutMs: 3 * 1_000,
  totalTimeoutMs: 8 * 1_000,
  retries: 2,
  retryMinDelayMs: 250,
  retryMaxDelayMs: 2 * 1_000,
  cooldownMs: 30 * 1_000,
  staleWhileErrorMs: 10 * 60 * 1_000,
  maxBodyBytes: 512 * 1_024,
  maxKeys: 100,
  maxPendingCallers: 1_000,
  allowLoopbackHttp: false,
  // Read at each request, so that a global replaced later, by instrumentation for one, is the one that is used.
  fetch: (url, init) => globalThis.fetch(url, init),
  telemetry: noTelemetry,
  clock: systemClock,
} as const satisfies JwksSettings;

const POSITIVE = [
  "minTtlMs",
  "maxTtlMs",
  "fallbackTtlMs",
  "attemptTimeoutMs",
  "totalTimeoutMs",
  "cooldownMs",
] as const satisfies readonly (keyof JwksOptions)[];

const NOT_NEGATIVE = [
  "refreshEarlyMs",
  "refreshJitterMs",
  "retries",
  "retryMinDelayMs",
  "retryMaxDelayMs",
  "staleWhileErrorMs",
] as const satisfies readonly (keyof JwksOptions)[];

const COUNTS = ["maxBodyBytes", "maxKeys", "maxPendingCallers"] as const satisfies readonly (keyof JwksOptions)[];

/**
 * Fills in the defaults.
 *
 * @param field - What the options are called in error messages, such as `options`.
 * @throws TypeError or RangeError naming the field that cannot be used.
 */
export function resolveJwksOptions(options: JwksOptions, field: string): JwksSettings {
  const settings: JwksSettings = { ...DEFAULTS, ...withoutUndefined(options) };
  for (const name of POSITIVE) assertPositive(`${field}.${name}`, settings[name]);
  for (const name of NOT_NEGATIVE) assertNotNegative(`${field}.${name}`, settings[name]);
  for (const name of COUNTS) assertPositiveInteger(`${field}.${name}`, settings[name]);
  if (!Number.isSafeInteger(settings.retries)) {
    throw new RangeError(`${field}.retries must be an integer, got ${settings.retries}`);
  }
  if (settings.minTtlMs > settings.maxTtlMs) {
    throw new RangeError(`${field}.minTtlMs must not exceed maxTtlMs (${settings.maxTtlMs}), got ${settings.minTtlMs}`);
  }
  if (typeof settings.allowLoopbackHttp !== "boolean") {
    throw new TypeError(`${field}.allowLoopbackHttp must be a boolean, got ${typeName(settings.allowLoopbackHttp)}`);
  }
  if (typeof settings.fetch !== "function") {
    throw new TypeError(`${field}.fetch must be a function, got ${typeName(settings.fetch)}`);
  }
  return settings;
}
