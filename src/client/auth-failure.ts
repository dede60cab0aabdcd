import { Code } from "@connectrpc/connect";
import type { WireReason } from "../connect-errors.js";

/**
 * Why a call failed. A {@link WireReason} is what the server said, by its details or by its challenge; of the others
 * - `UNAUTHENTICATED`, `PERMISSION_DENIED`: the server said no more than this code;
 * - `TOKEN_SOURCE_…`: the client has no token to send; `TOKEN_ORIGIN`: it must not send it there;
 * - `KEY_UNUSABLE`: the client cannot use its own key or credential.
 */
export type AuthFailureReason =
  | WireReason
  | "UNAUTHENTICATED"
  | "PERMISSION_DENIED"
  | "TOKEN_SOURCE_UNAVAILABLE"
  | "TOKEN_SOURCE_REFUSED"
  | "TOKEN_SOURCE_INVALID"
  | "TOKEN_ORIGIN"
  | "KEY_UNUSABLE";

/**
 * What helps:
 * - `retry`: the same call again; it gets what this one lacked, a new token or the nonce of a proof;
 * - `wait`: the same call later, after {@link AuthFailure.retryAfterMs} where that is known;
 * - `new_token`: a token of another kind or key; {@link bearerAuth} has tried with a fresh one of the same source where
 *   that was safe;
 * - `step_up`: the user has to sign in again, as {@link AuthFailure.acrValues} and {@link AuthFailure.maxAgeSeconds} say;
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
  /**
   * With `STEP_UP_REQUIRED`: authentication contexts, the preferred one first, one of which the server asks for: the
   * "acr_values" of the next authorization request. At most 16; absent when it asks for none.
   */
  readonly acrValues?: readonly string[];
  /** With `STEP_UP_REQUIRED`: how long ago the user may have authenticated, in whole seconds; absent: at any time. */
  readonly maxAgeSeconds?: number;
  /**
   * Where the server describes itself and the authorization servers that it trusts (RFC 9728): `https:`, or `http:` on
   * this machine. Compare its origin with the one that was called before you ask there. Absent when the server does not
   * say.
   */
  readonly resourceMetadata?: string;
}

/** What is said for a reason. */
interface Explanation {
  readonly action: AuthFailureAction;
  readonly message: string;
  /** Codes that a server gives this reason with; absent: the reason arises in the client. */
  readonly codes?: readonly Code[];
}

/** What is said for each reason. */
export const EXPLANATIONS: Readonly<Record<AuthFailureReason, Explanation>> = {
  CREDENTIALS_MISSING: {
    action: "fix_configuration",
    message: "The call carried no token: give its transport an interceptor that may send one to this origin",
    codes: [Code.Unauthenticated],
  },
  CREDENTIALS_MALFORMED: {
    action: "fix_configuration",
    message:
      "The server could not read the authorization header: look for a second one, or for a proxy that changes it; or the " +
      "server takes no DPoP tokens",
    codes: [Code.Unauthenticated],
  },
  TOKEN_EXPIRED: {
    action: "retry",
    message: "The token expired: call again, with a new one. If that one has expired too, compare the clocks",
    codes: [Code.Unauthenticated],
  },
  TOKEN_REJECTED: {
    action: "new_token",
    message:
      "The server does not accept the token: check that it knows the key and the issuer, and is the audience; or " +
      "the token is bound to a key or certificate that the call did not prove",
    codes: [Code.Unauthenticated],
  },
  PROOF_REJECTED: {
    action: "fix_configuration",
    message:
      "The server does not accept the proof for the token: compare clocks, addresses and keys, and the useHttpGet options",
    codes: [Code.Unauthenticated],
  },
  PROOF_NONCE_REQUIRED: {
    action: "retry",
    message: "The server wants another nonce in the proof, which it has just given: call again",
    codes: [Code.Unauthenticated],
  },
  STEP_UP_REQUIRED: {
    action: "step_up",
    message: "The server wants the user authenticated in a stronger way, or more recently",
    codes: [Code.Unauthenticated, Code.PermissionDenied],
  },
  ACCESS_DENIED: {
    action: "ask_for_access",
    message:
      "The caller is known and may not do this: a role, a scope or the organisation is missing, or a condition of the " +
      "policy is not met",
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
