import { AuthError } from "../errors.js";
import { type Clock, systemClock } from "../lib/clock.js";
import { assertNotNegative, assertPositive, assertPositiveInteger } from "../lib/options.js";
import { createGuardedTelemetry } from "../telemetry/guarded-telemetry.js";
import { noTelemetry, type Telemetry } from "../telemetry/telemetry.js";
import { assertInWindow, type TimeWindow } from "../token/claims.js";
import { type CompactJws, parseCompactJws } from "../token/compact-jws.js";
import type { Principal } from "../token/principal.js";
import { buildPrincipal } from "./build-principal.js";
import { type CheckedToken, checkToken } from "./check-token.js";
import { createVerifySignature } from "./signature.js";
import { createTokenCache, digestToken, type TokenCache } from "./token-cache.js";
import { createTrustStore, type TrustEntry } from "./trust-store.js";
import type { TrustedIssuer } from "./trusted-issuer.js";

/** Options of {@link createVerifier}. */
export interface VerifierOptions {
  /** Whose tokens are accepted; at least one, each "iss" once. */
  readonly issuers: readonly TrustedIssuer[];
  /** How far clocks may disagree, in seconds; may be 0. @defaultValue `5` */
  readonly clockToleranceSeconds?: number;
  /** Permits `jwksUri` with `http:` to a loopback host, as development needs. @defaultValue `false` */
  readonly allowLoopbackHttp?: boolean;
  /** Limits of the cache of verified tokens; `false` verifies every token anew. */
  readonly tokenCache?: TokenCacheOptions | false;
  /**
   * Most signature checks under way, and most key look-ups per issuer; more callers are turned away. Waiting for a
   * published key set is bounded apart from it, by `jwksOptions.maxPendingCallers`, so that made-up kids take no place
   * from good tokens. @defaultValue `256`
   */
  readonly maxPendingVerifications?: number;
  /** Where measurements go. @defaultValue nowhere */
  readonly telemetry?: Telemetry;
  /** Time. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** Limits of the cache of verified tokens. */
export interface TokenCacheOptions {
  /** Most tokens remembered; the least recently used is forgotten first. @defaultValue `10_000` */
  readonly maxEntries?: number;
  /** Longest time a token is remembered, in milliseconds. @defaultValue `300_000` (5 minutes) */
  readonly maxAgeMs?: number;
}

/** Verifies bearer tokens against the issuers it trusts. Safe to share; use one per process. */
export interface Verifier {
  /**
   * Verifies a token and gives the caller it stands for, deeply frozen and shared between calls with the same token.
   *
   * Rejects with {@link TokenRejectedError} when the token is bad, with {@link KeysUnavailableError} when nobody can say
   * at present, or with the signal's reason when aborted; other callers with the same token go on.
   *
   * @param token - The token alone, without `Bearer `.
   */
  verify(token: string, options?: { readonly signal?: AbortSignal }): Promise<Principal>;
  /**
   * What {@link Verifier.verify} would give, at once, if the token was verified before and still holds; undefined says
   * nothing about the token. Costs a hash and a look-up. Never throws.
   */
  verifyCached(token: string): Principal | undefined;
  /** Forgets a looked-up key and every token verified with it; call it when a credential is revoked or changed. */
  forgetKey(issuer: string, kid: string): void;
  /** Ends the timers and requests of the key caches it made itself. */
  [Symbol.asyncDispose](): Promise<void>;
}

const DEFAULTS = {
  clockToleranceSeconds: 5,
  allowLoopbackHttp: false,
  tokenCache: { maxEntries: 10_000, maxAgeMs: 5 * 60 * 1_000 },
  maxPendingVerifications: 256,
  telemetry: noTelemetry,
  clock: systemClock,
} as const satisfies Omit<Required<VerifierOptions>, "issuers">;

/** What is remembered of a verified token: who it stands for, and what must still hold for that to be so. */
interface Verified {
  readonly principal: Principal;
  readonly window: TimeWindow;
  readonly entry: TrustEntry;
  readonly algorithm: string;
  readonly handle: object;
}

/**
 * Creates a verifier of bearer tokens: strict in form, exact in issuer and audience, keyed by "kid".
 *
 * A token is checked from the outside in: size and shape, issuer, algorithm, type, times and audience, then its key, then
 * its signature. No key is fetched for a token that could not pass. A verified token is remembered by its digest and
 * costs a hash and a look-up the next time; its times are checked every time, and it is forgotten the moment its key
 * leaves the issuer's set, outlives the stale window or is forgotten by {@link Verifier.forgetKey}.
 *
 * Knows nothing of Connect: use it in any HTTP handler.
 *
 * Spec: RFC 7519 section 7.2, RFC 8725 section 3, RFC 9068 section 4.
 *
 * @example
 * ```ts
 * import { createVerifier } from "latchkey/verify";
 *
 * const verifier = createVerifier({
 *   issuers: [
 *     {
 *       issuer: "https://idp.example",
 *       audience: "https://jobs.example",
 *       algorithms: ["ES256"],
 *       jwksUri: "https://idp.example/jwks.json",
 *     },
 *   ],
 * });
 *
 * export async function readCaller(token: string): Promise<string> {
 *   const { principalId } = await verifier.verify(token, { signal: AbortSignal.timeout(2_000) });
 *   return principalId;
 * }
 * ```
 *
 * @param options - Whose tokens are accepted, and limits.
 * @returns A verifier to share: one per process.
 * @throws TypeError or RangeError naming the field that is missing, unsafe or out of range.
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const {
    clockToleranceSeconds = DEFAULTS.clockToleranceSeconds,
    allowLoopbackHttp = DEFAULTS.allowLoopbackHttp,
    maxPendingVerifications = DEFAULTS.maxPendingVerifications,
    clock = DEFAULTS.clock,
  } = options;
  const telemetry = createGuardedTelemetry(options.telemetry ?? DEFAULTS.telemetry);
  assertNotNegative("clockToleranceSeconds", clockToleranceSeconds);
  assertPositiveInteger("maxPendingVerifications", maxPendingVerifications);
  const toleranceMs = clockToleranceSeconds * 1_000;
  const cache = openTokenCache(options.tokenCache);
  const trusted = createTrustStore(options.issuers, {
    allowLoopbackHttp,
    maxPending: maxPendingVerifications,
    telemetry,
    clock,
  });
  const verifySignature = createVerifySignature(maxPendingVerifications);

  const stillHolds = ({ principal, window, entry, algorithm, handle }: Verified): boolean => {
    const nowMs = clock.nowMs();
    if (nowMs >= window.expiresAtMs + toleranceMs) return false;
    if (window.notBeforeMs !== undefined && nowMs < window.notBeforeMs - toleranceMs) return false;
    return entry.source.isCurrent(principal.kid, algorithm, handle);
  };

  const verifyCached = (token: string): Principal | undefined => {
    const verified = cache?.get(token, clock.monotonicMs());
    if (verified === undefined) return undefined;
    if (stillHolds(verified)) return verified.principal;
    cache?.delete(token);
    return undefined;
  };

  const verifyAnew = async (token: string, jws: CompactJws, checked: CheckedToken, entry: TrustEntry) => {
    const { settings, source } = entry;
    const { kid, window, audience } = checked;
    const { key, principal: record, handle } = await source.getKey(kid, jws.alg);
    await verifySignature(token, key, jws.alg);
    // The key may have been long in coming.
    assertInWindow(window, { nowMs: clock.nowMs(), toleranceMs });
    const { issuer, claims: names } = settings;
    const { expiresAtMs } = window;
    const claims = jws.payload;
    const principal = buildPrincipal({ claims, issuer, audience, kid, expiresAtMs }, names, record);
    cache?.set(token, { principal, window, entry, algorithm: jws.alg, handle }, clock.monotonicMs());
    return principal;
  };

  const verify = async (token: string, signal: AbortSignal | undefined): Promise<Principal> => {
    const jws = parseCompactJws(token);
    const entry = trusted.require(jws.payload);
    const checked = checkToken(jws, entry.settings, { nowMs: clock.nowMs(), toleranceMs });
    // Callers who come after a key was forgotten must not share what began before.
    const flight = `${entry.source.generation} ${digestToken(token)}`;
    return entry.flights.run(flight, () => verifyAnew(token, jws, checked, entry), signal);
  };

  return {
    async verify(token, { signal } = {}) {
      signal?.throwIfAborted();
      const known = verifyCached(token);
      if (known !== undefined) return known;
      try {
        const principal = await verify(token, signal);
        telemetry.count("latchkey.verify.tokens", { issuer: principal.issuer, outcome: "ok" });
        return principal;
      } catch (error) {
        if (error instanceof AuthError) telemetry.count("latchkey.verify.tokens", { outcome: error.code });
        throw error;
      }
    },
    verifyCached,
    forgetKey: (issuer, kid) => trusted.get(issuer)?.source.forgetKey(kid),
    async [Symbol.asyncDispose]() {
      trusted[Symbol.dispose]();
    },
  };
}

function openTokenCache(options: TokenCacheOptions | false | undefined): TokenCache<Verified> | undefined {
  if (options === false) return undefined;
  const { maxEntries = DEFAULTS.tokenCache.maxEntries, maxAgeMs = DEFAULTS.tokenCache.maxAgeMs } = options ?? {};
  assertPositiveInteger("tokenCache.maxEntries", maxEntries);
  assertPositive("tokenCache.maxAgeMs", maxAgeMs);
  return createTokenCache({ maxEntries, maxAgeMs });
}
