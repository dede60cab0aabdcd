import { Code, ConnectError } from "@connectrpc/connect";
import { readRetryInfoMs, readWireReason, type WireReason } from "../connect-errors.js";
import { CredentialError, TokenSourceError } from "../errors.js";
import { systemClock } from "../lib/clock.js";
import { readRetryAfterMs } from "../lib/retry-after.js";
import { readBearerErrors } from "./bearer-challenge.js";

/**
 * Why a call failed. A {@link WireReason} is what the server said, by its details or by its challenge; of the others
 * - `AUTHENTICATION_TOO_WEAK`: the server wants the user authenticated in a stronger way, or more recently;
 * - `UNAUTHENTICATED`, `PERMISSION_DENIED`: the server said no more than this code;
 * - `TOKEN_SOURCE_…`: the client has no token to send; `TOKEN_ORIGIN`: it must not send it there;
 * - `KEY_UNUSABLE`: the client cannot use its own key or credential.
 */
export type AuthFailureReason =
  | WireReason
  | "AUTHENTICATION_TOO_WEAK"
  | "UNAUTHENTICATED"
  | "PERMISSION_DENIED"
  | "TOKEN_SOURCE_UNAVAILABLE"
  | "TOKEN_SOURCE_REFUSED"
  | "TOKEN_SOURCE_INVALID"
  | "TOKEN_ORIGIN"
  | "KEY_UNUSABLE";

/**
 * What helps:
 * - `retry`: the same call again; it gets a new token;
 * - `wait`: the same call later, after {@link AuthFailure.retryAfterMs} where that is known;
 * - `new_token`: a token of another kind or key; {@link bearerAuth} has tried with a fresh one of the same source where
 *   that was safe;
 * - `step_up`: the user has to sign in again, as the challenge says;
 * - `ask_for_access`: whoever grants access has to; no token of this caller helps;
 * - `fix_configuration`: nothing but a change of the program or its settings.
 */
export type AuthFailureAction = "retry" | "wait" | "new_token" | "step_up" | "ask_for_access" | "fix_configuration";

/** What {@link explainAuthError} reads out of an error. */
export interface AuthFailure {
  /** Why it failed; stable across releases. */
  readonly reason: AuthFailureReason;
  /** Who says so: the server that was called, or the client's own source of tokens. */
  readonly origin: "server" | "token_source";
  /** What helps. */
  readonly action: AuthFailureAction;
  /** The same in a sentence, for logs. A fixed text: nothing of the token, the key or the server's answer is in it. */
  readonly message: string;
  /** How long to wait, in milliseconds, 1 second to 1 hour; absent when nobody said. */
  readonly retryAfterMs?: number;
}

interface Explanation {
  readonly action: AuthFailureAction;
  readonly message: string;
  /** Codes that a server gives this reason with; absent: the reason arises in the client. */
  readonly codes?: readonly Code[];
}

const EXPLANATIONS: Readonly<Record<AuthFailureReason, Explanation>> = {
  CREDENTIALS_MISSING: {
    action: "fix_configuration",
    message: "The call carried no token: give its transport an interceptor that may send one to this origin",
    codes: [Code.Unauthenticated],
  },
  CREDENTIALS_MALFORMED: {
    action: "fix_configuration",
    message:
      "The server could not read the authorization header: look for a second one, or for a proxy that changes it",
    codes: [Code.Unauthenticated],
  },
  TOKEN_EXPIRED: {
    action: "retry",
    message: "The token expired: call again, with a new one. If that one has expired too, compare the clocks",
    codes: [Code.Unauthenticated],
  },
  TOKEN_REJECTED: {
    action: "new_token",
    message: "The server does not accept the token: check that it knows the key and the issuer, and is the audience",
    codes: [Code.Unauthenticated],
  },
  ACCESS_DENIED: {
    action: "ask_for_access",
    message: "The caller is known and may not do this: a role, a scope or the organisation is missing",
    codes: [Code.PermissionDenied, Code.Unauthenticated],
  },
  TEMPORARILY_UNAVAILABLE: {
    action: "wait",
    message: "The server cannot check tokens at present: keep the token and try again later",
    codes: [Code.Unavailable],
  },
  OVERLOADED: {
    action: "wait",
    message: "The server has too many tokens to check at present: keep the token and try again later",
    codes: [Code.ResourceExhausted],
  },
  AUTHENTICATION_TOO_WEAK: {
    action: "step_up",
    message: "The server wants the user authenticated in a stronger way, or more recently: its challenge says how",
    codes: [Code.Unauthenticated, Code.PermissionDenied],
  },
  UNAUTHENTICATED: {
    action: "new_token",
    message: "The server refused the caller and did not say why: check token, key and audience",
    codes: [Code.Unauthenticated],
  },
  PERMISSION_DENIED: {
    action: "ask_for_access",
    message: "The server does not permit this to the caller",
    codes: [Code.PermissionDenied],
  },
  TOKEN_SOURCE_UNAVAILABLE: {
    action: "wait",
    message: "No token could be obtained at present: try again later",
  },
  TOKEN_SOURCE_REFUSED: {
    action: "fix_configuration",
    message: "The token source refused to give a token: check the client's credentials and what it asks for",
  },
  TOKEN_SOURCE_INVALID: {
    action: "fix_configuration",
    message: "The token source gave something that is no token: check its address and its settings",
  },
  TOKEN_ORIGIN: {
    action: "fix_configuration",
    message: "No token may be sent to this origin: use https",
  },
  KEY_UNUSABLE: {
    action: "fix_configuration",
    message: "The client's key or credential cannot be used: the cause says why",
  },
};

/** RFC 6750 section 3.1 and RFC 9470 section 3: what a challenge says by its "error". The first that fits counts. */
const BY_CHALLENGE: readonly (readonly [error: string | undefined, reason: AuthFailureReason])[] = [
  ["insufficient_user_authentication", "AUTHENTICATION_TOO_WEAK"],
  ["insufficient_scope", "ACCESS_DENIED"],
  ["invalid_token", "TOKEN_REJECTED"],
  ["invalid_request", "CREDENTIALS_MALFORMED"],
  [undefined, "CREDENTIALS_MISSING"],
];

const LONGEST_CAUSE_CHAIN = 8;

/**
 * Explains why a call failed, if authentication or access is why: the reason, who says so, and what helps.
 *
 * Reads what latchkey's servers send (`google.rpc.ErrorInfo` and `RetryInfo`), what others do (the Bearer challenge), and what kept the
 * client's own source from giving a token (the error's cause). Works on errors of all kinds of calls and of all three
 * protocols, and on those of `getToken()` and `warm()`. A reason counts only with the code that it belongs to.
 *
 * The server decides what it says here: act on it, and do not take it for a proof of anything.
 *
 * Spec: RFC 6750 section 3.1, RFC 9470 section 3, RFC 9110 section 10.2.3.
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
    return explain(reason, "token_source", local instanceof TokenSourceError ? local.retryAfterMs : undefined);
  }
  if (!(error instanceof ConnectError)) return undefined;
  const reason = readReason(error);
  if (reason === undefined) return undefined;
  return explain(reason, "server", EXPLANATIONS[reason].action === "wait" ? readRetryDelayMs(error) : undefined);
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

function explain(
  reason: AuthFailureReason,
  origin: AuthFailure["origin"],
  retryAfterMs: number | undefined,
): AuthFailure {
  const { action, message } = EXPLANATIONS[reason];
  return Object.freeze({ reason, origin, action, message, ...(retryAfterMs !== undefined && { retryAfterMs }) });
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

function readReason(error: ConnectError): AuthFailureReason | undefined {
  const fits = (reason: AuthFailureReason): boolean => EXPLANATIONS[reason].codes?.includes(error.code) === true;
  const stated = readWireReason(error);
  if (stated !== undefined && fits(stated)) return stated;
  if (error.code !== Code.Unauthenticated && error.code !== Code.PermissionDenied) return undefined;
  const errors = readBearerErrors(error.metadata.get("www-authenticate") ?? "");
  const [, challenged] = BY_CHALLENGE.find(([value, reason]) => errors.includes(value) && fits(reason)) ?? [];
  return challenged ?? (error.code === Code.Unauthenticated ? "UNAUTHENTICATED" : "PERMISSION_DENIED");
}
