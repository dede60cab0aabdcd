import { type AuthError, TokenSourceError } from "../errors.js";
import { type Clock, systemClock } from "../lib/clock.js";
import { assertPositive, assertPositiveInteger, typeName, withoutUndefined } from "../lib/options.js";
import { raceSignal } from "../lib/signal.js";
import { createSingleFlight } from "../lib/single-flight.js";
import { createGuardedTelemetry } from "../telemetry/guarded-telemetry.js";
import { noTelemetry, type Telemetry } from "../telemetry/telemetry.js";
import type { Token, TokenRequest, TokenSource } from "../token/token.js";
import { type HeldToken, holdToken, isUsable } from "./held-token.js";
import { createLruMap } from "./lru-map.js";
import { backoffMs, toSourceFailure } from "./refresh-backoff.js";

/** Options of {@link cachedTokens}; every field has a default. */
export interface CachedTokensOptions {
  /** How many tokens are kept, one per audience or cache key; the one not used for longest goes. @defaultValue `1_000` */
  readonly maxEntries?: number;
  /** How long the source may take, in milliseconds, whatever the deadlines of the callers. @defaultValue `30_000` (30 seconds) */
  readonly timeoutMs?: number;
  /** Least time between two refreshes that rejections cause, in milliseconds, per token. @defaultValue `10_000` (10 seconds) */
  readonly forcedRefreshIntervalMs?: number;
  /** Where refreshes are counted and timed. @defaultValue nowhere */
  readonly telemetry?: Telemetry;
  /** Time of the cache. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** What {@link CachedTokenSource.warm} may be told. */
export interface WarmOptions {
  /** Audience of the token. @defaultValue the origin */
  readonly audience?: string;
  /** Ends the wait. @defaultValue no end */
  readonly signal?: AbortSignal;
}

/** A {@link TokenSource} that remembers its tokens. */
export interface CachedTokenSource extends TokenSource, Disposable {
  /**
   * Says that a server has rejected a token. Nothing happens unless that value is the one in use: whoever comes late
   * with the token before does not harm its successor.
   */
  invalidate(tokenValue: string): void;
  /**
   * Obtains the token for an origin before the first call needs it.
   *
   * @param origin - Origin of the calls to come, such as `https://jobs.example`.
   */
  warm(origin: string, options?: WarmOptions): Promise<void>;
}

const DEFAULTS = {
  maxEntries: 1_000,
  timeoutMs: 30_000,
  forcedRefreshIntervalMs: 10_000,
} satisfies CachedTokensOptions;

/** What is known about one cache key. Instants are on monotonic time. */
interface Entry {
  held: HeldToken | undefined;
  /** A server has rejected the token held. */
  rejected: boolean;
  refreshing: boolean;
  forcedAtMs: number;
  failures: number;
  lastError: AuthError | undefined;
  retryAtMs: number;
}

type Occasion = "background" | "needed" | "rejected";

const caches = new WeakSet<TokenSource>();

/** Tells whether a source was made by {@link cachedTokens}. */
export function isCachedTokenSource(source: TokenSource): source is CachedTokenSource {
  return caches.has(source);
}

/**
 * Creates a source that obtains each token once and keeps it until it is time for the next.
 *
 * A token is given out until it expires. Once 80 % of its life have passed (up to a tenth earlier at random), or from
 * 30 seconds before it expires, but never before half of its life, the next use fetches its successor in the
 * background; callers go on with the old one meanwhile. Without a valid token all callers wait for one shared request,
 * each with its own signal: one that aborts harms no other. The source's answer is waited for at most `timeoutMs`.
 *
 * A rejected token ({@link CachedTokenSource.invalidate}, or `rejected` in the request) is replaced at the next use, but
 * at most once per `forcedRefreshIntervalMs`: a server that rejects everything must not make us flood the issuer.
 * Within that interval, or when no other token can be had, the rejected token is given out again as long as it is
 * valid; who has just been rejected with it sees that it is the same one, and does not try again.
 *
 * A source that failed is left alone for 1 second, doubling up to 30 seconds; for 30 seconds when it refused or gave
 * something unusable. Until then the valid token serves, or else callers get the same error at once.
 *
 * Holds no timer except while a request to the source is under way. One cache per identity: tokens are kept per
 * `cacheKey` of the source, or else per audience, and never shared between two caches.
 *
 * `getToken()` rejects with {@link TokenSourceError} `ERR_TOKEN_SOURCE_UNAVAILABLE` (failed, timed out, expired token,
 * or disposed), `ERR_TOKEN_SOURCE_REFUSED` or `ERR_TOKEN_SOURCE_INVALID` (what it gave is no token), with the source's
 * own error of latchkey, or with the signal's reason.
 *
 * @example
 * ```ts
 * import { bearerAuth, cachedTokens, staticToken } from "latchkey/client";
 *
 * const tokens = cachedTokens(staticToken(process.env["TOKEN"] ?? ""));
 * await tokens.warm("https://jobs.example");
 * const interceptor = bearerAuth(tokens);
 * ```
 *
 * @param source - Where the tokens come from; it stands for one identity.
 * @param options - Limits and collaborators; every field has a default.
 * @returns A source, safe to share between interceptors. Its tokens are frozen.
 * @throws TypeError if `source` has no `getToken`.
 * @throws RangeError if a duration is not positive and finite, or `maxEntries` not a positive integer.
 */
export function cachedTokens(source: TokenSource, options: CachedTokensOptions = {}): CachedTokenSource {
  if (typeof source?.getToken !== "function") {
    throw new TypeError(`source must be a token source, got ${typeName(source)}`);
  }
  const { maxEntries, timeoutMs, forcedRefreshIntervalMs } = { ...DEFAULTS, ...withoutUndefined(options) };
  const { clock = systemClock } = options;
  const telemetry = createGuardedTelemetry(options.telemetry ?? noTelemetry);
  assertPositiveInteger("maxEntries", maxEntries);
  assertPositive("timeoutMs", timeoutMs);
  assertPositive("forcedRefreshIntervalMs", forcedRefreshIntervalMs);

  const entries = createLruMap<string, Entry>(maxEntries);
  const flights = createSingleFlight<Entry, Token>();
  const underWay = new Set<AbortController>();
  let disposed = false;

  const entryFor = (request: TokenRequest): Entry => {
    const key = source.cacheKey?.(request) ?? request.audience;
    let entry = entries.get(key);
    if (entry === undefined) {
      entry = createEntry();
      entries.set(key, entry);
    }
    return entry;
  };

  const obtain = async (entry: Entry, request: TokenRequest, occasion: Occasion): Promise<Token> => {
    const startedMs = clock.monotonicMs();
    if (occasion === "rejected") entry.forcedAtMs = startedMs;
    entry.refreshing = true;
    const controller = new AbortController();
    underWay.add(controller);
    const timer = clock.setTimer(() => controller.abort(timedOut()), timeoutMs);
    const rejected = entry.rejected ? entry.held?.token.value : undefined;
    try {
      const { audience, origin } = request;
      const asked = { audience, origin, signal: controller.signal, ...(rejected !== undefined && { rejected }) };
      const answer = (async () => source.getToken(asked))();
      const held = holdToken(await raceSignal(answer, controller.signal), clock, Math.random);
      // The same value again is as rejected as before.
      entry.rejected &&= entry.held?.token.value === held.token.value;
      entry.held = held;
      entry.failures = 0;
      telemetry.count("latchkey.client.token_refreshes", { occasion, outcome: "ok" });
      return held.token;
    } catch (cause) {
      const error = toSourceFailure(cause);
      entry.failures++;
      entry.lastError = error;
      entry.retryAtMs = clock.monotonicMs() + backoffMs(error, entry.failures, Math.random);
      telemetry.count("latchkey.client.token_refreshes", { occasion, outcome: error.code });
      throw error;
    } finally {
      timer[Symbol.dispose]();
      underWay.delete(controller);
      entry.refreshing = false;
      telemetry.record("latchkey.client.token_refresh_ms", clock.monotonicMs() - startedMs);
    }
  };

  const isBackingOff = (entry: Entry): boolean => entry.failures > 0 && clock.monotonicMs() < entry.retryAtMs;

  const replaceRejected = async (entry: Entry, held: HeldToken, request: TokenRequest): Promise<Token> => {
    const tooSoon = clock.monotonicMs() - entry.forcedAtMs < forcedRefreshIntervalMs;
    if (!entry.refreshing && (tooSoon || isBackingOff(entry))) return held.token;
    try {
      return await flights.run(entry, () => obtain(entry, request, "rejected"), request.signal);
    } catch (error) {
      if (request.signal.aborted || !isUsable(held, clock)) throw error;
      return held.token;
    }
  };

  const cache: CachedTokenSource = {
    async getToken(request) {
      if (disposed) throw new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "The token cache was disposed");
      const entry = entryFor(request);
      const { held } = entry;
      if (held === undefined || !isUsable(held, clock)) {
        if (!entry.refreshing && isBackingOff(entry)) throw entry.lastError;
        return flights.run(entry, () => obtain(entry, request, "needed"), request.signal);
      }
      if (request.rejected === held.token.value) entry.rejected = true;
      if (entry.rejected) return replaceRejected(entry, held, request);
      if (clock.monotonicMs() >= held.refreshAtMs && !entry.refreshing && !isBackingOff(entry)) {
        // Nobody waits: a failure shows in telemetry, and to callers once the old token has expired.
        flights.run(entry, () => obtain(entry, request, "background")).catch(() => {});
      }
      return held.token;
    },
    cacheKey: (request) => source.cacheKey?.(request) ?? request.audience,
    ...(source.audienceBound !== undefined && { audienceBound: source.audienceBound }),
    invalidate(tokenValue) {
      for (const entry of entries.values()) if (entry.held?.token.value === tokenValue) entry.rejected = true;
    },
    async warm(origin, { audience, signal = new AbortController().signal } = {}) {
      const canonical = new URL(origin).origin;
      await cache.getToken({ audience: audience ?? canonical, origin: canonical, signal });
    },
    [Symbol.dispose]() {
      disposed = true;
      const reason = new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "The token cache was disposed");
      for (const controller of underWay) controller.abort(reason);
      entries.clear();
    },
  };
  caches.add(cache);
  return cache;
}

function createEntry(): Entry {
  return {
    held: undefined,
    rejected: false,
    refreshing: false,
    forcedAtMs: Number.NEGATIVE_INFINITY,
    failures: 0,
    lastError: undefined,
    retryAtMs: 0,
  };
}

function timedOut(): TokenSourceError {
  return new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "The token source did not answer in time");
}
