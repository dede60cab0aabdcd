import { TokenRejectedError } from "../errors.js";
import { assertAudience, assertTimes, type TimeWindow } from "../token/claims.js";
import type { CompactJws } from "../token/compact-jws.js";
import { type Confirmation, readConfirmation } from "./confirmation.js";
import { type IssuerSettings, normalizeType } from "./issuer-settings.js";

/** What {@link checkToken} found in a token that may pass if its signature is good. */
export interface CheckedToken {
  /** When it is valid. */
  readonly window: TimeWindow;
  /** "aud", as an array. */
  readonly audience: readonly string[];
  /** "kid". */
  readonly kid: string;
  /** The keys that it is bound to; undefined when it is bound to none. */
  readonly confirmation: Confirmation | undefined;
}

/** The present, and how far clocks may be apart. Milliseconds. */
export interface CheckTime {
  /** Since the epoch. */
  readonly nowMs: number;
  /** How far apart. */
  readonly toleranceMs: number;
}

/**
 * Holds what a token says of itself against what its issuer's tokens must say. Nothing is fetched for a token that could
 * not pass whatever its signature.
 *
 * Spec: RFC 8725 sections 3.1, 3.9, 3.11 and 3.12, RFC 9068 section 4.
 *
 * @throws TokenRejectedError
 */
export function checkToken(jws: CompactJws, settings: IssuerSettings, time: CheckTime): CheckedToken {
  const { alg, typ, kid, payload } = jws;
  if (!settings.algorithms.has(alg)) {
    throw new TokenRejectedError("ERR_TOKEN_ALGORITHM", "The algorithm is none of this issuer's");
  }
  if (settings.tokenType !== null && (typ === undefined || normalizeType(typ) !== settings.tokenType)) {
    throw new TokenRejectedError("ERR_TOKEN_TYPE", "The token is of another kind than this issuer's access tokens");
  }
  const window = assertTimes(payload, { ...time, maxLifetimeMs: settings.maxLifetimeMs });
  const audience = assertAudience(payload, settings.audience);
  if (settings.requiredClaims.some((name) => !Object.hasOwn(payload, name))) {
    throw new TokenRejectedError("ERR_TOKEN_CLAIMS", "The token lacks a required claim");
  }
  const confirmation = readConfirmation(payload);
  // RFC 7515 section 4.1.4 leaves "kid" out at will. Trying keys in turn, or the only one there is today, is a guess.
  if (kid === undefined) throw new TokenRejectedError("ERR_KEY_NOT_FOUND", "The token names no key");
  return { window, audience, kid, confirmation };
}
