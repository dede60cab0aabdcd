import { TokenSourceError } from "../errors.js";
import type { Clock } from "../lib/clock.js";
import { isToken68 } from "../token/bearer.js";
import type { Token } from "../token/token.js";

/** A token in the cache, with the instants that decide about its use, on monotonic time. */
export interface HeldToken {
  /** The token; frozen. */
  readonly token: Token;
  /** From then on it is replaced in the background, in monotonic milliseconds. */
  readonly refreshAtMs: number;
  /** From then on it is not sent any more, in monotonic milliseconds. */
  readonly endsAtMs: number;
}

/** When a token is replaced. */
export const REFRESH: Readonly<
  Record<"lifeShare" | "jitterShare" | "earliestLifeShare" | "longestLifeMs" | "leastIntervalMs", number>
> = {
  /** Part of its life after which a token is replaced. */
  lifeShare: 0.8,
  /** By how much of that part the moment is brought forward, at random, so that a fleet does not refresh at once. */
  jitterShare: 0.1,
  /** It is never replaced before this part of its life, whatever the margin. */
  earliestLifeShare: 0.5,
  /** A token of longer life is replaced as if it lived for this long. */
  longestLifeMs: 24 * 60 * 60 * 1_000,
  /** Least time between two refreshes, when a source gives tokens that are due already or end at once. */
  leastIntervalMs: 1_000,
};

/**
 * Checks what a source gave and decides when to replace it.
 *
 * The life of a token starts with `issuedAtMs` or, without it, now. The moments are on monotonic time, for a corrected
 * wall clock must not put off the refresh.
 *
 * @param token - What the source gave; copied.
 * @param clock - The time.
 * @param random - Gives numbers from 0 to 1, for the jitter.
 * @param marginMs - How long before its expiry it is replaced at the latest, half of its life permitting.
 * @throws TokenSourceError `ERR_TOKEN_SOURCE_INVALID` when the value cannot stand in a header or there is no instant of
 * expiry, `ERR_TOKEN_SOURCE_UNAVAILABLE` when the token has expired.
 */
export function holdToken(token: Token, clock: Clock, random: () => number, marginMs: number): HeldToken {
  // Sources are code of others: what they give is not taken for a token before it looks like one.
  const { value, expiresAtMs, issuedAtMs }: Partial<Token> = token ?? {};
  if (typeof value !== "string" || !isToken68(value)) {
    throw new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", "The token source gave a value that is no bearer token");
  }
  if (typeof expiresAtMs !== "number" || Number.isNaN(expiresAtMs)) {
    throw new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", "The token source gave a token without an expiry");
  }
  const nowMs = clock.nowMs();
  const monotonicMs = clock.monotonicMs();
  const leftMs = expiresAtMs - nowMs;
  if (leftMs <= 0) throw new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "The token source gave an expired token");
  const ageMs = typeof issuedAtMs === "number" && issuedAtMs < nowMs ? nowMs - issuedAtMs : 0;
  return {
    token: Object.freeze({ value, expiresAtMs, issuedAtMs: nowMs - ageMs }),
    refreshAtMs: monotonicMs + refreshDelayMs(Math.min(leftMs, REFRESH.longestLifeMs), ageMs, random, marginMs),
    endsAtMs: monotonicMs + leftMs,
  };
}

/**
 * Tells whether a token may still be sent. Both times must agree: the wall clock notices a machine that slept, monotonic
 * time one whose clock was put back.
 */
export function isUsable(held: HeldToken, clock: Clock): boolean {
  return clock.nowMs() < held.token.expiresAtMs && clock.monotonicMs() < held.endsAtMs;
}

function refreshDelayMs(leftMs: number, ageMs: number, random: () => number, marginMs: number): number {
  const lifeMs = leftMs + ageMs;
  const shareMs = lifeMs * REFRESH.lifeShare * (1 - REFRESH.jitterShare * random());
  const dueAgeMs = Math.max(lifeMs * REFRESH.earliestLifeShare, Math.min(shareMs, lifeMs - marginMs));
  // One that is due already comes from a source that keeps tokens itself: ask again later, and not with every call.
  const delayMs = dueAgeMs > ageMs ? dueAgeMs - ageMs : leftMs / 2;
  return Math.max(delayMs, REFRESH.leastIntervalMs);
}
