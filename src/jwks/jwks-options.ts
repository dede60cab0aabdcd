import type { RetryJitter } from "../lib/backoff.js";
import { type Clock, systemClock } from "../lib/clock.js";
import {
  assertBoolean,
  assertCount,
  assertFields,
  assertFunction,
  assertNotNegative,
  assertPositive,
  assertPositiveInteger,
  withoutUndefined,
} from "../lib/options.js";
import { type Labels, noTelemetry, type Telemetry } from "../telemetry/telemetry.js";
import { parseAllowedDomains } from "./allowed-domains.js";
import type { JwksEvent } from "./jwks-event.js";
import type { UrlRules } from "./url.js";

/** The part of the global `fetch` that a {@link Jwks} uses. */
export interface JwksFetch {
  /** Sends a request. */
  (url: string, init: RequestInit): Promise<Response>;
  /**
   * Called with each host that is to be asked before anything is sent there: when a {@link Jwks} is made, for one.
   *
   * @throws TypeError if no request will ever be sent there, so that a mistake shows at start.
   */
  assertHost?(hostname: string): void;
}

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
  /** How those waits spread. @defaultValue `"full"` */
  readonly retryJitter?: RetryJitter;
  /**
   * Shortest time between two requests caused by unknown kids, and between two refreshes of which the first failed.
   *
   * @defaultValue `30_000` (30 seconds)
   */
  readonly cooldownMs?: number;
  /**
   * After how many failed refreshes in a row the circuit opens. While it is open nothing is asked but, once per
   * `breakerOpenMs`, one request without repetitions; a success closes it. @defaultValue `5`
   */
  readonly breakerFailures?: number;
  /** How long the circuit stays open before the next single request. @defaultValue the value of `cooldownMs` */
  readonly breakerOpenMs?: number;
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
  /**
   * Domains that the URL, and every hop of a redirect, must be of: a host name means itself and all below it, an
   * address itself. With a port, such as `idp.example:8443`, that port only. @defaultValue any
   */
  readonly allowedDomains?: readonly string[] | undefined;
  /**
   * How many redirects are followed, each to the same origin and under the rules of the URL; 0: none. @defaultValue `0`
   */
  readonly maxRedirects?: number;
  /** Permits `http:` for `localhost`, `127.0.0.0/8` and `[::1]`, as development needs. @defaultValue `false` */
  readonly allowLoopbackHttp?: boolean;
  /** Sends the requests; redirects, deadline and caps are enforced whatever it does. @defaultValue the global `fetch` */
  readonly fetch?: JwksFetch;
  /** Where measurements go. @defaultValue nowhere */
  readonly telemetry?: Telemetry;
  /** Added to every measurement. @defaultValue none */
  readonly labels?: Labels;
  /** Told what happens to the key set; see {@link JwksEvent}. What it throws is ignored. @defaultValue nobody */
  readonly onEvent?: (event: JwksEvent) => void;
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
  retryJitter: "full",
  cooldownMs: 30 * 1_000,
  breakerFailures: 5,
  breakerOpenMs: 30 * 1_000,
  staleWhileErrorMs: 10 * 60 * 1_000,
  maxBodyBytes: 512 * 1_024,
  maxKeys: 100,
  maxPendingCallers: 1_000,
  allowedDomains: undefined,
  maxRedirects: 0,
  allowLoopbackHttp: false,
  // Read at each request, so that a global replaced later, by instrumentation for one, is the one that is used.
  fetch: (url, init) => globalThis.fetch(url, init),
  telemetry: noTelemetry,
  labels: {},
  onEvent() {},
  clock: systemClock,
} as const satisfies JwksSettings;

const POSITIVE = [
  "minTtlMs",
  "maxTtlMs",
  "fallbackTtlMs",
  "attemptTimeoutMs",
  "totalTimeoutMs",
  "cooldownMs",
  "breakerOpenMs",
] as const satisfies readonly (keyof JwksOptions)[];

const NOT_NEGATIVE = [
  "refreshEarlyMs",
  "refreshJitterMs",
  "retryMinDelayMs",
  "retryMaxDelayMs",
  "staleWhileErrorMs",
] as const satisfies readonly (keyof JwksOptions)[];

const COUNTS = [
  "maxBodyBytes",
  "maxKeys",
  "maxPendingCallers",
  "breakerFailures",
] as const satisfies readonly (keyof JwksOptions)[];

const COUNTS_OR_NONE = ["retries", "maxRedirects"] as const satisfies readonly (keyof JwksOptions)[];

const FUNCTIONS = ["fetch", "onEvent"] as const satisfies readonly (keyof JwksOptions)[];

const PORTS = [
  ["telemetry", ["count", "record"]],
  ["clock", ["nowMs", "monotonicMs", "setTimer"]],
] as const satisfies readonly (readonly [keyof JwksOptions, readonly string[]])[];

const JITTERS: readonly unknown[] = ["none", "full", "decorrelated"] satisfies readonly RetryJitter[];

/**
 * Fills in the defaults.
 *
 * @param field - What the options are called in error messages, such as `options`.
 * @throws TypeError or RangeError naming the field that is unknown or cannot be used.
 */
export function resolveJwksOptions(options: JwksOptions, field: string): JwksSettings {
  assertFields(field, options, DEFAULTS);
  const given = withoutUndefined(options);
  const { cooldownMs = DEFAULTS.cooldownMs } = given;
  const settings: JwksSettings = { ...DEFAULTS, breakerOpenMs: cooldownMs, ...given };
  for (const name of POSITIVE) assertPositive(`${field}.${name}`, settings[name]);
  for (const name of NOT_NEGATIVE) assertNotNegative(`${field}.${name}`, settings[name]);
  for (const name of COUNTS) assertPositiveInteger(`${field}.${name}`, settings[name]);
  for (const name of COUNTS_OR_NONE) assertCount(`${field}.${name}`, settings[name]);
  for (const name of FUNCTIONS) assertFunction(`${field}.${name}`, settings[name]);
  for (const [name, methods] of PORTS) assertMethods(`${field}.${name}`, settings[name], methods);
  assertLabels(`${field}.labels`, settings.labels);
  assertBoolean(`${field}.allowLoopbackHttp`, settings.allowLoopbackHttp);
  if (settings.minTtlMs > settings.maxTtlMs) {
    throw new RangeError(`${field}.minTtlMs must not exceed maxTtlMs (${settings.maxTtlMs}), got ${settings.minTtlMs}`);
  }
  if (!JITTERS.includes(settings.retryJitter)) {
    throw new TypeError(`${field}.retryJitter must be one of ${JITTERS.join(", ")}`);
  }
  return settings;
}

/**
 * Makes the rules for URLs that the options state.
 *
 * @param field - What the options are called in error messages.
 * @throws TypeError naming the domain that cannot be used.
 */
export function toUrlRules({ allowLoopbackHttp, allowedDomains: listed }: JwksSettings, field: string): UrlRules {
  const allowedDomains = listed === undefined ? undefined : parseAllowedDomains(listed, `${field}.allowedDomains`);
  return { allowLoopbackHttp, allowedDomains };
}

function assertMethods(field: string, value: unknown, methods: readonly string[]): void {
  const members = typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  if (methods.every((method) => typeof members[method] === "function")) return;
  throw new TypeError(`${field} must be an object with the methods ${methods.join(", ")}`);
}

function assertLabels(field: string, value: unknown): void {
  const isRecord = typeof value === "object" && value !== null && !Array.isArray(value);
  if (isRecord && Object.values(value).every((label) => typeof label === "string")) return;
  throw new TypeError(`${field} must be an object of strings`);
}
