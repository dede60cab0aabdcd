import { Code, ConnectError } from "@connectrpc/connect";
import { readRetryInfoMs, readWireReason } from "../connect-errors.js";
import { CredentialError, TokenSourceError } from "../errors.js";
import { systemClock } from "../lib/clock.js";
import { withoutUndefined } from "../lib/options.js";
import { readRetryAfterMs } from "../lib/retry-after.js";
import { type AuthChallenge, readAuthChallenges } from "./auth-challenges.js";
import { type AuthFailure, type AuthFailureReason, EXPLANATIONS } from "./auth-failure.js";
import { readResourceMetadata, readStepUp } from "./challenge-demands.js";

export type { AuthFailure, AuthFailureAction, AuthFailureReason } from "./auth-failure.js";

/** What a challenge says by its "error". The first that fits counts. RFC 6750 section 3.1, RFC 9449 and RFC 9470. */
const BY_CHALLENGE: readonly (readonly [error: string | undefined, reason: AuthFailureReason])[] = [
  ["insufficient_user_authentication", "STEP_UP_REQUIRED"],
  ["use_dpop_nonce", "PROOF_NONCE_REQUIRED"],
  ["invalid_dpop_proof", "PROOF_REJECTED"],
  ["insufficient_scope", "ACCESS_DENIED"],
  ["invalid_token", "TOKEN_REJECTED"],
  ["invalid_request", "CREDENTIALS_MALFORMED"],
  [undefined, "CREDENTIALS_MISSING"],
];

const LONGEST_CAUSE_CHAIN = 8;

/**
 * Explains why a call failed, if authentication or access is why: the reason, who says so, and what helps.
 *
 * Reads what latchkey's servers send (`google.rpc.ErrorInfo` and `RetryInfo`), what others do (the Bearer or DPoP
 * challenge), and what kept the client's own source from giving a token (the error's cause). Works on errors of all
 * kinds of calls and of all three protocols, and on those of `getToken()` and `warm()`. A reason counts only with the
 * code that it belongs to.
 *
 * Where the user has to sign in again, it says how: {@link AuthFailure.acrValues} and {@link AuthFailure.maxAgeSeconds}
 * go into the next authorization request. What of a challenge is not of the right form is left out.
 *
 * The server decides what it says here: act on it, and do not take it for a proof of anything.
 *
 * Spec: RFC 6750 section 3.1, RFC 9449 section 7.1, RFC 9470 section 3, RFC 9728 section 5.1, RFC 9110 section 10.2.3.
 *
 * @example
 * ```ts
 * import { explainAuthError } from "latchkey/client";
 *
 * function report(error: unknown): void {
 *   const failure = explainAuthError(error);
 *   if (failure === undefined) throw error;
 *   if (failure.action === "wait") console.warn(failure.message, failure.retryAfterMs);
 *   else console.error(failure.reason, failure.message);
 * }
 * ```
 *
 * @param error - Whatever a call, or a token source, threw.
 * @returns The explanation, frozen; undefined when the error is about something else.
 */
export function explainAuthError(error: unknown): AuthFailure | undefined {
  const local = findSourceError(error);
  if (local !== undefined) {
    const reason = local instanceof CredentialError ? "KEY_UNUSABLE" : SOURCE_REASONS[local.code];
    const retryAfterMs = local instanceof TokenSourceError ? local.retryAfterMs : undefined;
    return explain(reason, "token_source", { retryAfterMs });
  }
  if (!(error instanceof ConnectError)) return undefined;
  const challenges = readChallenges(error);
  const reason = readReason(error, challenges);
  if (reason === undefined) return undefined;
  return explain(reason, "server", {
    retryAfterMs: EXPLANATIONS[reason].action === "wait" ? readRetryDelayMs(error) : undefined,
    ...(reason === "STEP_UP_REQUIRED" && readStepUp(challenges)),
    resourceMetadata: readResourceMetadata(challenges),
  });
}

/** How long the server asks to be left alone, in milliseconds, 1 second to 1 hour; undefined when it does not say. */
export function readRetryDelayMs(error: ConnectError): number | undefined {
  const statedMs = readRetryInfoMs(error);
  if (statedMs === undefined) return readRetryAfterMs(error.metadata, systemClock.nowMs());
  // A wish of somebody who is in trouble, or wants us to be: neither at once nor never.
  return Math.min(RETRY_DELAY.longestMs, Math.max(RETRY_DELAY.shortestMs, statedMs));
}

const RETRY_DELAY = { shortestMs: 1_000, longestMs: 60 * 60 * 1_000 } as const;

const SOURCE_REASONS: Readonly<Record<TokenSourceError["code"], AuthFailureReason>> = {
  ERR_TOKEN_SOURCE_UNAVAILABLE: "TOKEN_SOURCE_UNAVAILABLE",
  ERR_TOKEN_SOURCE_REFUSED: "TOKEN_SOURCE_REFUSED",
  ERR_TOKEN_SOURCE_INVALID: "TOKEN_SOURCE_INVALID",
  ERR_TOKEN_ORIGIN: "TOKEN_ORIGIN",
};

/** What an {@link AuthFailure} may have besides. */
type Details = {
  readonly [K in "retryAfterMs" | "acrValues" | "maxAgeSeconds" | "resourceMetadata"]?: AuthFailure[K] | undefined;
};

function explain(reason: AuthFailureReason, origin: AuthFailure["origin"], details: Details): AuthFailure {
  const { action, message } = EXPLANATIONS[reason];
  return Object.freeze({ reason, origin, action, message, ...withoutUndefined(details) });
}

/** Finds what kept the client from having a token: the error itself, or what caused it. */
function findSourceError(error: unknown): TokenSourceError | CredentialError | undefined {
  let current = error;
  for (let depth = 0; depth < LONGEST_CAUSE_CHAIN && current instanceof Error; depth++) {
    if (current instanceof TokenSourceError || current instanceof CredentialError) return current;
    current = current.cause;
  }
  return undefined;
}

/** The challenges of an error that may have some; of others they are not believed. */
function readChallenges({ code, metadata }: ConnectError): readonly AuthChallenge[] {
  if (code !== Code.Unauthenticated && code !== Code.PermissionDenied) return [];
  return readAuthChallenges(metadata.get("www-authenticate") ?? "");
}

function readReason(error: ConnectError, challenges: readonly AuthChallenge[]): AuthFailureReason | undefined {
  const fits = (reason: AuthFailureReason): boolean => EXPLANATIONS[reason].codes?.includes(error.code) === true;
  const stated = readWireReason(error);
  if (stated !== undefined && fits(stated)) return stated;
  if (error.code !== Code.Unauthenticated && error.code !== Code.PermissionDenied) return undefined;
  const errors = challenges.map((challenge) => challenge.get("error"));
  const [, challenged] = BY_CHALLENGE.find(([value, reason]) => errors.includes(value) && fits(reason)) ?? [];
  return challenged ?? (error.code === Code.Unauthenticated ? "UNAUTHENTICATED" : "PERMISSION_DENIED");
}
