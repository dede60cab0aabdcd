import { TokenSourceError } from "../errors.js";
import { notify } from "../lib/notify.js";
import { createGuardedTelemetry } from "../telemetry/guarded-telemetry.js";
import type { ContextValuesLike, Token, TokenRequest, TokenSource } from "../token/token.js";
import { cacheKeyOf } from "./cache-key.js";
import { type CachedTokensOptions, readCachedTokensOptions } from "./cached-tokens-options.js";
import { type HeldToken, isUsable } from "./held-token.js";
import { createLruMap } from "./lru-map.js";
import { toSourceFailure } from "./refresh-backoff.js";
import type { TokenEvent } from "./token-event.js";
import { createTokenRefresher } from "./token-refresher.js";
import { createTokenSlot, type TokenSlot } from "./token-slot.js";

/** What {@link CachedTokenSource.warm} may be told. */
export interface WarmOptions {
  /** Audience of the token. @defaultValue the origin */
  readonly audience?: string;
  /** What the calls to come carry, for a source that serves several callers. @defaultValue nothing */
  readonly contextValues?: ContextValuesLike;
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

/** Gives the token in hand, at once; undefined when there is none that may be sent, for whatever reason. */
export type PeekToken = (request: TokenRequest) => Token | undefined;

const caches = new WeakMap<TokenSource, PeekToken>();

/** Tells whether a source was made by {@link cachedTokens}. */
export function isCachedTokenSource(source: TokenSource): source is CachedTokenSource {
  return caches.has(source);
}

/** What spares a call with a token in hand the wait that a promise is. Throws as the `cacheKey` of the source does. */
export function peekerOf(source: CachedTokenSource): PeekToken {
  return caches.get(source) ?? (() => undefined);
}

/**
 * Creates a source that obtains each token once and keeps it until it is time for the next.
 *
 * **When.** A token is given out until it expires. Once 80 % of its life have passed (up to a tenth earlier at random), or
 * from `refreshMarginMs` before it expires, but never before half of its life, the next use fetches its successor in the
 * background; callers go on with the old one meanwhile. One that lives for more than 24 hours is replaced as if it lived
 * for 24. Without a valid token all callers wait for one shared request, each with its own signal: one that aborts harms
 * no other. The source's answer is waited for at most `timeoutMs`.
 *
 * **Rejected.** A rejected token ({@link CachedTokenSource.invalidate}, or `rejected` in the request) is replaced at the
 * next use, but at most once per `forcedRefreshIntervalMs`: a server that rejects everything must not make us flood the
 * issuer. Within that interval, or when no other token can be had, the rejected token is given out again as long as it is
 * valid; who has just been rejected with it sees that it is the same one, and does not try again.
 *
 * **Failed.** A source that failed is left alone for 1 second, doubling up to 30 seconds; for 30 seconds when it refused
 * or gave something unusable; and at least as long as it asked for (`retryAfterMs`), up to 1 hour. Until then the valid
 * token serves, or else callers get the same error at once. A source whose tokens live for less than a second is treated
 * alike once such a token has been used up.
 *
 * **Whose.** One cache stands for one identity, or for as many as the `cacheKey` of its source tells apart: tokens are
 * kept per key, or else per audience, and never shared between two caches. Only a source with a `cacheKey` sees the
 * `contextValues` of calls, since the token of any other serves all callers.
 *
 * Holds no timer except while a request to the source is under way. Instants are on this machine's clocks; a source that
 * learns an instant from a server has to correct it.
 *
 * `getToken()` rejects with {@link TokenSourceError} `ERR_TOKEN_SOURCE_UNAVAILABLE` (failed, timed out, expired token,
 * or disposed), `ERR_TOKEN_SOURCE_REFUSED` or `ERR_TOKEN_SOURCE_INVALID` (what it gave is no token or no key), with the
 * source's own error of latchkey, or with the signal's reason.
 *
 * @example
 * ```ts
 * import { bearerAuth, cachedTokens, staticToken } from "latchkey/client";
 *
 * const tokens = cachedTokens(staticToken(process.env["TOKEN"] ?? ""), {
 *   onEvent: (event) => console.log(event.type, event.audience),
 * });
 * await tokens.warm("https://jobs.example");
 * const interceptor = bearerAuth(tokens);
 * ```
 *
 * @param source - Where the tokens come from.
 * @param options - Limits and collaborators; every field has a default.
 * @returns A source, safe to share between interceptors. Its tokens are frozen.
 * @throws TypeError if `source` has no `getToken`, or an option is unknown or of the wrong type.
 * @throws RangeError if a duration is not positive and finite, `maxEntries` is not a positive integer, the lifetime that
 * the source states is not positive or above 24 hours, or a given `refreshMarginMs` is not below it.
 */
export function cachedTokens(source: TokenSource, options: CachedTokensOptions = {}): CachedTokenSource {
  const settings = readCachedTokensOptions(source, options);
  const { maxEntries, timeoutMs, forcedRefreshIntervalMs, refreshMarginMs, onEvent, clock } = settings;
  const telemetry = createGuardedTelemetry(settings.telemetry);
  const tell = (event: TokenEvent): void => notify(onEvent, event);
  const slots = createLruMap<string, TokenSlot>(maxEntries);
  const refresher = createTokenRefresher({ source, timeoutMs, refreshMarginMs, telemetry, clock, tell });
  let disposed = false;

  const slotFor = (request: TokenRequest): TokenSlot => {
    const key = readCacheKey(source, request);
    const known = slots.get(key);
    if (known !== undefined) return known;
    // One that made room for others while its request is under way is still the one: no second request beside it.
    const slot = refresher.slotUnderWay(key) ?? createTokenSlot(key, request.audience);
    const evicted = slots.set(key, slot);
    if (evicted !== undefined) tell({ type: "evicted", audience: evicted.audience });
    return slot;
  };

  const reject = (slot: TokenSlot): void => {
    if (slot.rejected) return;
    slot.rejected = true;
    tell({ type: "rejected", audience: slot.audience });
  };

  const replaceRejected = async (slot: TokenSlot, held: HeldToken, request: TokenRequest): Promise<Token> => {
    const tooSoon = clock.monotonicMs() - slot.forcedAtMs < forcedRefreshIntervalMs;
    if (!slot.refreshing && (tooSoon || refresher.isBackingOff(slot))) return held.token;
    try {
      return await refresher.refresh(slot, request, "rejected", request.signal);
    } catch (error) {
      if (disposed || request.signal.aborted || !isUsable(held, clock)) throw error;
      return held.token;
    }
  };

  const peek: PeekToken = (request) => {
    if (disposed) return undefined;
    const slot = slotFor(request);
    const { held } = slot;
    if (held === undefined || !isUsable(held, clock)) return undefined;
    if (slot.rejected || request.rejected === held.token.value) return undefined;
    if (clock.monotonicMs() >= held.refreshAtMs && !slot.refreshing && !refresher.isBackingOff(slot)) {
      // Nobody waits: a failure shows in telemetry, and to callers once the old token has expired.
      refresher.refresh(slot, request, "background").catch(() => {});
    }
    return held.token;
  };

  const cache: CachedTokenSource = {
    async getToken(request) {
      if (disposed) throw disposedError();
      const inHand = peek(request);
      if (inHand !== undefined) return inHand;
      const slot = slotFor(request);
      const { held } = slot;
      if (held === undefined || !isUsable(held, clock)) {
        if (!slot.refreshing && refresher.isBackingOff(slot)) throw slot.lastError;
        return refresher.refresh(slot, request, "needed", request.signal);
      }
      if (request.rejected === held.token.value) reject(slot);
      return replaceRejected(slot, held, request);
    },
    cacheKey: (request) => readCacheKey(source, request),
    ...(source.audienceBound !== undefined && { audienceBound: source.audienceBound }),
    ...(source.lifetimeMs !== undefined && { lifetimeMs: source.lifetimeMs }),
    invalidate(tokenValue) {
      for (const slot of slots.values()) if (slot.held?.token.value === tokenValue) reject(slot);
    },
    async warm(origin, { audience, contextValues, signal = new AbortController().signal } = {}) {
      const canonical = new URL(origin).origin;
      await cache.getToken({
        audience: audience ?? canonical,
        origin: canonical,
        signal,
        ...(contextValues !== undefined && { contextValues }),
      });
    },
    [Symbol.dispose]() {
      disposed = true;
      refresher[Symbol.dispose]();
      slots.clear();
    },
  };
  caches.set(cache, peek);
  return cache;
}

function readCacheKey(source: TokenSource, request: TokenRequest): string {
  try {
    return cacheKeyOf(source, request);
  } catch (cause) {
    throw toSourceFailure(cause);
  }
}

function disposedError(): TokenSourceError {
  return new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "The token cache was disposed");
}
