import { TokenRejectedError } from "../errors.js";
import type { Clock } from "../lib/clock.js";
import { assertInWindow } from "../token/claims.js";
import { type CompactJws, parseCompactJws } from "../token/compact-jws.js";
import { buildPrincipal } from "./build-principal.js";
import { type CheckedToken, checkToken } from "./check-token.js";
import { createVerifySignature } from "./signature.js";
import { createTokenCache, digestToken } from "./token-cache.js";
import type { TrustEntry, TrustStore } from "./trust-store.js";
import { isCurrentKey, type UsedKey, type VerifiedToken } from "./verified-token.js";

/** Verifies a token of which nothing good is known. */
export interface ColdVerification {
  /**
   * Verifies; calls with the same token at the same time share the work, and each leaves it when its signal aborts.
   *
   * Throws or rejects with {@link TokenRejectedError}, {@link KeysUnavailableError}, or the signal's reason.
   *
   * @param digest - Of the token, all of it; undefined when nobody needed it so far.
   */
  verify(token: string, digest: string | undefined, signal: AbortSignal | undefined): Promise<VerifiedToken>;
}

/** Collaborators of {@link createColdVerification}. */
export interface ColdVerificationOptions {
  readonly trusted: TrustStore;
  readonly toleranceMs: number;
  /** Most signature checks under way. */
  readonly maxPending: number;
  readonly clock: Clock;
  /** Is told of every verified token, before anybody who waits for it. */
  readonly onVerified: (digest: string, token: string, verified: VerifiedToken) => void;
}

// What is known of tokens whose signature is bad. Tiny: it spares the work for one that is sent again and again, and
// strangers, who can make up any number of them, find nothing to fill.
const BAD_SIGNATURES = { maxEntries: 500, maxAgeMs: 60 * 1_000 } as const;

/** Creates the part of a verifier that does the work: from the outside in, and no key is asked for in vain. */
export function createColdVerification(options: ColdVerificationOptions): ColdVerification {
  const { trusted, toleranceMs, clock, onVerified } = options;
  const verifySignature = createVerifySignature(options.maxPending);
  const bad = createTokenCache<UsedKey>(BAD_SIGNATURES);

  const assertNotBad = (digest: string): void => {
    const key = bad.get(digest, clock.monotonicMs());
    if (key === undefined) return;
    if (isCurrentKey(key)) throw new TokenRejectedError("ERR_TOKEN_SIGNATURE", "The signature does not verify");
    // The issuer has another key by that name now, and the signature may be good for it.
    bad.delete(digest);
  };

  const verifyChecked = async (
    digest: string,
    token: string,
    { jws, checked, entry }: { jws: CompactJws; checked: CheckedToken; entry: TrustEntry },
  ): Promise<VerifiedToken> => {
    const { settings, source } = entry;
    const { kid, window, audience, confirmation } = checked;
    const { key, principal: record, handle } = await source.getKey(kid, jws.alg);
    const used: UsedKey = { entry, kid, algorithm: jws.alg, handle };
    try {
      await verifySignature(jws, key);
    } catch (error) {
      if (error instanceof TokenRejectedError && error.code === "ERR_TOKEN_SIGNATURE") {
        bad.set(digest, used, { length: 1, nowMs: clock.monotonicMs() });
      }
      throw error;
    }
    // The key may have been long in coming.
    assertInWindow(window, { nowMs: clock.nowMs(), toleranceMs });
    const { issuer, claims: names } = settings;
    const { expiresAtMs, notBeforeMs } = window;
    const principal = buildPrincipal({ claims: jws.payload, issuer, audience, kid, expiresAtMs }, names, record);
    const verified: VerifiedToken = { principal, expiresAtMs, notBeforeMs, confirmation, key: used };
    onVerified(digest, token, verified);
    return verified;
  };

  return {
    verify(token, known, signal) {
      const jws = parseCompactJws(token);
      const entry = trusted.require(jws.payload);
      const checked = checkToken(jws, entry.settings, { nowMs: clock.nowMs(), toleranceMs });
      const digest = known ?? digestToken(token);
      assertNotBad(digest);
      // Callers who come after a key was forgotten must not share what began before.
      const flight = `${entry.source.generation} ${digest}`;
      return entry.flights.run(flight, () => verifyChecked(digest, token, { jws, checked, entry }), signal);
    },
  };
}
