import { AuthError } from "../errors.js";
import { assertFields, assertNotNegative, assertPositive, assertPositiveInteger } from "../lib/options.js";
import { createGuardedTelemetry } from "../telemetry/guarded-telemetry.js";
import type { Principal } from "../token/principal.js";
import { createColdVerification } from "./cold-verification.js";
import { createDpopVerifier } from "./dpop-verifier.js";
import { createRevocationCheck, REVOCATION_FIELDS } from "./revocation-check.js";
import { createTokenCache, digestToken, type TokenCache } from "./token-cache.js";
import { BEARER, checkSender, type TokenSender } from "./token-sender.js";
import { createTrustStore } from "./trust-store.js";
import { isCurrentKey, type VerifiedToken } from "./verified-token.js";
import {
  VERIFIER_DEFAULTS as DEFAULTS,
  TOKEN_CACHE_FIELDS,
  VERIFIER_FIELDS,
  type VerifierOptions,
} from "./verifier-options.js";

/** Options of one verification. */
export interface VerifyOptions {
  /** Ends the wait of this caller; others with the same token go on. */
  readonly signal?: AbortSignal;
  /** How the token arrived. @defaultValue as a bearer token: one that is bound to a key is refused */
  readonly sender?: TokenSender;
}

/** Verifies bearer tokens against the issuers it trusts. Safe to share; use one per process. */
export interface Verifier {
  /**
   * Verifies a token and gives the caller it stands for, deeply frozen and shared between calls with the same token.
   *
   * Rejects with {@link TokenRejectedError} when the token is bad, with {@link KeysUnavailableError} when nobody can say
   * at present, or with the signal's reason when aborted.
   *
   * @param token - The token alone, without `Bearer `.
   */
  verify(token: string, options?: VerifyOptions): Promise<Principal>;
  /**
   * As {@link Verifier.verify}, without a promise where nothing has to be waited for: for a token that was verified
   * before, it costs a hash and a look-up. Throws what the other rejects with.
   */
  verifyNow(token: string, options?: VerifyOptions): Principal | Promise<Principal>;
  /**
   * Verifies the token of a call that goes on, again: times, key, revocation and what is on record may have changed. Its
   * sender has been checked when the call began, and proves nothing anew.
   */
  recheck(token: string, options?: Pick<VerifyOptions, "signal">): Promise<Principal>;
  /** Gives the nonce that proofs shall carry; undefined when none is asked for. */
  proofNonce(): string | undefined;
  /** Algorithms of proofs; undefined when proofs cannot be checked, and tokens that need one are refused. */
  readonly proofAlgorithms: readonly string[] | undefined;
  /** Forgets a looked-up key and every token verified with it; call it when a credential is revoked or changed. */
  forgetKey(issuer: string, kid: string): void;
  /** Ends the timers and requests of the key caches it made itself. */
  [Symbol.asyncDispose](): Promise<void>;
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
  assertFields("options", options, VERIFIER_FIELDS);
  const {
    clockToleranceSeconds = DEFAULTS.clockToleranceSeconds,
    allowLoopbackHttp = DEFAULTS.allowLoopbackHttp,
    maxPendingVerifications: maxPending = DEFAULTS.maxPendingVerifications,
    clock = DEFAULTS.clock,
    revocation,
  } = options;
  const telemetry = createGuardedTelemetry(options.telemetry ?? DEFAULTS.telemetry);
  assertNotNegative("clockToleranceSeconds", clockToleranceSeconds);
  assertPositiveInteger("maxPendingVerifications", maxPending);
  if (options.revocationOptions !== undefined) {
    assertFields("revocationOptions", options.revocationOptions, REVOCATION_FIELDS);
    if (revocation === undefined) throw new TypeError("revocationOptions has no effect without revocation");
  }
  const toleranceMs = clockToleranceSeconds * 1_000;
  const dpop = options.dpop && createDpopVerifier(options.dpop, { clock, toleranceMs, maxPending });
  const checkRevocation =
    revocation && createRevocationCheck(revocation, { ...options.revocationOptions, telemetry, clock, toleranceMs });
  const good = openTokenCache(options.tokenCache);
  let longestGood = 0;
  const trusted = createTrustStore(options.issuers, { allowLoopbackHttp, maxPending, telemetry, clock });
  const cold = createColdVerification({
    trusted,
    toleranceMs,
    maxPending,
    clock,
    onVerified(digest, { length }, verified) {
      if (good === undefined) return;
      longestGood = Math.max(longestGood, length);
      good.set(digest, verified, { length, nowMs: clock.monotonicMs() });
    },
  });

  const findGood = (digest: string): VerifiedToken | undefined => {
    const verified = good?.get(digest, clock.monotonicMs());
    if (verified === undefined) return undefined;
    const { expiresAtMs, notBeforeMs, key } = verified;
    const nowMs = clock.nowMs();
    const isInTime = nowMs < expiresAtMs + toleranceMs && nowMs >= notBeforeMs - toleranceMs;
    if (isInTime && isCurrentKey(key)) return verified;
    good?.delete(digest);
    return undefined;
  };

  const confirm = (
    token: string,
    { confirmation, key }: VerifiedToken,
    sender: TokenSender | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> | undefined => {
    if (sender === undefined) return undefined;
    const mustBeBound = key.entry.settings.requireBoundTokens;
    // Nearly every call: nothing is asked of its sender.
    if (confirmation === undefined && !mustBeBound && sender.scheme === "Bearer") return undefined;
    return checkSender({ token, confirmation, mustBeBound }, sender, dpop, signal);
  };

  /** What holds for one call alone, however well the token is known. */
  const admit = (
    token: string,
    verified: VerifiedToken,
    sender: TokenSender | undefined,
    signal: AbortSignal | undefined,
  ): Principal | Promise<Principal> => {
    const { principal } = verified;
    // Before the sender, for a proof counts once: it must not be used up by a call that is refused for another reason.
    const notRevoked = checkRevocation?.(principal, signal);
    const confirmed =
      notRevoked === undefined
        ? confirm(token, verified, sender, signal)
        : notRevoked.then(() => confirm(token, verified, sender, signal));
    return confirmed === undefined ? principal : confirmed.then(() => principal);
  };

  const verifyCold = async (
    token: string,
    digest: string | undefined,
    sender: TokenSender | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Principal> => {
    signal?.throwIfAborted();
    try {
      const verified = await cold.verify(token, digest, signal);
      const principal = await admit(token, verified, sender, signal);
      telemetry.count("latchkey.verify.tokens", { issuer: principal.issuer, outcome: "ok" });
      return principal;
    } catch (error) {
      if (error instanceof AuthError) telemetry.count("latchkey.verify.tokens", { outcome: error.code });
      throw error;
    }
  };

  const verify = (
    token: string,
    sender: TokenSender | undefined,
    signal: AbortSignal | undefined,
  ): Principal | Promise<Principal> => {
    // Not worth a digest before it is parsed: nothing as long as this was ever verified.
    const digest = token.length > longestGood ? undefined : digestToken(token);
    const verified = digest === undefined ? undefined : findGood(digest);
    return verified === undefined ? verifyCold(token, digest, sender, signal) : admit(token, verified, sender, signal);
  };

  return {
    verify: async (token, { signal, sender = BEARER } = {}) => {
      signal?.throwIfAborted();
      return verify(token, sender, signal);
    },
    verifyNow: (token, { signal, sender = BEARER } = {}) => verify(token, sender, signal),
    recheck: async (token, { signal } = {}) => verify(token, undefined, signal),
    proofNonce: () => dpop?.nonce(),
    proofAlgorithms: dpop?.algorithms,
    forgetKey: (issuer, kid) => trusted.get(issuer)?.source.forgetKey(kid),
    async [Symbol.asyncDispose]() {
      trusted[Symbol.dispose]();
    },
  };
}

function openTokenCache(options: VerifierOptions["tokenCache"]): TokenCache<VerifiedToken> | undefined {
  if (options === false) return undefined;
  if (options !== undefined) assertFields("tokenCache", options, TOKEN_CACHE_FIELDS);
  const { maxEntries = DEFAULTS.tokenCache.maxEntries, maxAgeMs = DEFAULTS.tokenCache.maxAgeMs } = options ?? {};
  assertPositiveInteger("tokenCache.maxEntries", maxEntries);
  assertPositive("tokenCache.maxAgeMs", maxAgeMs);
  return createTokenCache({ maxEntries, maxAgeMs });
}
