import { type AuthError, CredentialError, TokenSourceError } from "../errors.js";

/** How long a source is left alone after it failed. */
export const BACKOFF: Readonly<Record<"initialMs" | "longestMs" | "coolDownMs" | "longestRetryAfterMs", number>> = {
  /** After the first failure; doubled with each further one. */
  initialMs: 1_000,
  /** Never longer than this. */
  longestMs: 30_000,
  /** After a refusal or an unusable answer: asking again would give the same. */
  coolDownMs: 30_000,
  /** Never longer than this, whatever the source asks for. */
  longestRetryAfterMs: 60 * 60 * 1_000,
};

/**
 * Gives the error that callers of a failed source see: what is about the source or its key stays, everything else counts
 * as a fault that may pass.
 */
export function toSourceFailure(cause: unknown): AuthError {
  // Not every error of latchkey: that a token was rejected elsewhere says nothing about the call here.
  if (cause instanceof TokenSourceError || cause instanceof CredentialError) return cause;
  return new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "The token source failed", { cause });
}

/**
 * How long to leave a source alone, in milliseconds: at least as long as it asks for.
 *
 * @param error - What it failed with.
 * @param failures - How many times in a row it has failed; 1 or more.
 * @param random - Gives numbers from 0 to 1: the wait is between half of the backoff and all of it.
 */
export function backoffMs(error: AuthError, failures: number, random: () => number): number {
  return Math.max(ownBackoffMs(error, failures, random), askedMs(error));
}

function ownBackoffMs(error: AuthError, failures: number, random: () => number): number {
  if (error.code === "ERR_TOKEN_SOURCE_REFUSED" || error.code === "ERR_TOKEN_SOURCE_INVALID") return BACKOFF.coolDownMs;
  const fullMs = Math.min(BACKOFF.longestMs, BACKOFF.initialMs * 2 ** (failures - 1));
  return fullMs * (0.5 + 0.5 * random());
}

function askedMs(error: AuthError): number {
  const wishMs = error instanceof TokenSourceError ? error.retryAfterMs : undefined;
  // Sources are code of others: NaN is no time to wait, and infinity would be for good.
  return wishMs !== undefined && wishMs > 0 ? Math.min(wishMs, BACKOFF.longestRetryAfterMs) : 0;
}
