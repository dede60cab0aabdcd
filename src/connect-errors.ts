/**
 * How an error looks to the peer: the one table from `code` to Connect code, challenge, text and details, and the only
 * place where errors of latchkey meet `ConnectError`.
 *
 * A peer learns whether another token, waiting, or neither may help, and nothing about which check failed beyond
 * "expired". All texts are constants; no token, claim, key or URL is ever part of them.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import {
  AuthError,
  type AuthErrorCode,
  KeysUnavailableError,
  StepUpRequiredError,
  type TokenSourceCode,
  TokenSourceError,
} from "./errors.js";

/** The `domain` of every `google.rpc.ErrorInfo` that latchkey sends. */
export const ERROR_DOMAIN = "latchkey";

const WIRE_REASONS = [
  "CREDENTIALS_MISSING",
  "CREDENTIALS_MALFORMED",
  "TOKEN_EXPIRED",
  "TOKEN_REJECTED",
  "PROOF_REJECTED",
  "PROOF_NONCE_REQUIRED",
  "STEP_UP_REQUIRED",
  "ACCESS_DENIED",
  "TEMPORARILY_UNAVAILABLE",
  "OVERLOADED",
] as const;

/** The `reason` of a `google.rpc.ErrorInfo` with the domain {@link ERROR_DOMAIN}: what a client may act on. */
export type WireReason = (typeof WIRE_REASONS)[number];

/** Options of {@link toConnectError}. */
export interface ConnectErrorOptions {
  /** The "realm" of challenges: printable ASCII without quote and backslash. @defaultValue `"latchkey"` */
  readonly realm?: string;
  /** The scheme of challenges: the one that the call used. @defaultValue `"Bearer"` */
  readonly scheme?: "Bearer" | "DPoP";
  /** Algorithms of proofs, told in challenges of the scheme `DPoP` (RFC 9449 section 7.1). @defaultValue not told */
  readonly proofAlgorithms?: readonly string[] | undefined;
  /** URL of the metadata of this service, told in challenges (RFC 9728 section 5.1). @defaultValue not told */
  readonly resourceMetadata?: string | undefined;
}

const DEFAULTS = { realm: "latchkey", scheme: "Bearer" } as const satisfies ConnectErrorOptions;

/** What one kind of error becomes. */
interface WireError {
  readonly code: Code;
  readonly text: string;
  readonly reason?: WireReason;
  /** RFC 6750 section 3: `null` is a challenge without an "error" attribute, absent is no challenge at all. */
  readonly challenge?:
    | "invalid_request"
    | "invalid_token"
    | "insufficient_scope"
    | "invalid_dpop_proof"
    | "use_dpop_nonce"
    | "insufficient_user_authentication"
    | null;
}

// RFC 6750 section 3.1: no error attribute when the request carried no credentials.
const MISSING: WireError = {
  code: Code.Unauthenticated,
  text: "credentials required",
  reason: "CREDENTIALS_MISSING",
  challenge: null,
};
const MALFORMED: WireError = {
  code: Code.Unauthenticated,
  text: "credentials not accepted",
  reason: "CREDENTIALS_MALFORMED",
  challenge: "invalid_request",
};
const REJECTED: WireError = {
  code: Code.Unauthenticated,
  text: "credentials not accepted",
  reason: "TOKEN_REJECTED",
  challenge: "invalid_token",
};
const EXPIRED: WireError = {
  code: Code.Unauthenticated,
  text: "token expired",
  reason: "TOKEN_EXPIRED",
  challenge: "invalid_token",
};
// RFC 9449 sections 7.1 and 9.
const PROOF_REJECTED: WireError = {
  code: Code.Unauthenticated,
  text: "credentials not accepted",
  reason: "PROOF_REJECTED",
  challenge: "invalid_dpop_proof",
};
const PROOF_NONCE_REQUIRED: WireError = {
  code: Code.Unauthenticated,
  text: "credentials not accepted",
  reason: "PROOF_NONCE_REQUIRED",
  challenge: "use_dpop_nonce",
};
// RFC 9470 section 3.
const STEP_UP: WireError = {
  code: Code.Unauthenticated,
  text: "credentials not accepted",
  reason: "STEP_UP_REQUIRED",
  challenge: "insufficient_user_authentication",
};
const DENIED: WireError = {
  code: Code.PermissionDenied,
  text: "access denied",
  reason: "ACCESS_DENIED",
  challenge: "insufficient_scope",
};
// Never a challenge: it would make clients throw away good tokens and storm the issuer.
const UNAVAILABLE: WireError = {
  code: Code.Unavailable,
  text: "temporarily unavailable",
  reason: "TEMPORARILY_UNAVAILABLE",
};
const OVERLOADED: WireError = {
  code: Code.ResourceExhausted,
  text: "temporarily unavailable",
  reason: "OVERLOADED",
};
const INTERNAL: WireError = { code: Code.Internal, text: "internal error" };

// These four arise in the client's own process, before anything is sent.
const SOURCE_ERRORS: Readonly<Record<TokenSourceCode, WireError>> = {
  ERR_TOKEN_SOURCE_UNAVAILABLE: { code: Code.Unavailable, text: "no token could be obtained at present" },
  ERR_TOKEN_SOURCE_REFUSED: { code: Code.Unauthenticated, text: "the token source refused to issue a token" },
  ERR_TOKEN_SOURCE_INVALID: { code: Code.Internal, text: "the token source gave something unusable" },
  ERR_TOKEN_ORIGIN: { code: Code.FailedPrecondition, text: "no token may be sent to this origin" },
};

const WIRE_ERRORS: Readonly<Record<AuthErrorCode, WireError>> = {
  ERR_CREDENTIALS_MISSING: MISSING,
  ERR_CREDENTIALS_MALFORMED: MALFORMED,
  ERR_TOKEN_MALFORMED: REJECTED,
  ERR_TOKEN_TYPE: REJECTED,
  ERR_TOKEN_ALGORITHM: REJECTED,
  ERR_TOKEN_ISSUER: REJECTED,
  ERR_TOKEN_AUDIENCE: REJECTED,
  ERR_TOKEN_EXPIRED: EXPIRED,
  ERR_TOKEN_NOT_YET_VALID: REJECTED,
  ERR_TOKEN_LIFETIME: REJECTED,
  ERR_TOKEN_CLAIMS: REJECTED,
  ERR_TOKEN_BOUND: REJECTED,
  ERR_TOKEN_SIGNATURE: REJECTED,
  ERR_TOKEN_REVOKED: REJECTED,
  ERR_PROOF_MISSING: PROOF_REJECTED,
  ERR_PROOF_INVALID: PROOF_REJECTED,
  ERR_PROOF_NONCE: PROOF_NONCE_REQUIRED,
  ERR_PROOF_REPLAYED: PROOF_REJECTED,
  ERR_KEY_NOT_FOUND: REJECTED,
  ERR_KEY_UNUSABLE: REJECTED,
  ERR_ROLE_MISSING: DENIED,
  ERR_SCOPE_MISSING: DENIED,
  ERR_ORG_MISSING: DENIED,
  ERR_ORG_MISMATCH: DENIED,
  ERR_CONDITION_NOT_MET: DENIED,
  ERR_STEP_UP_REQUIRED: STEP_UP,
  ERR_KEYS_UNAVAILABLE: UNAVAILABLE,
  ERR_KEYS_INVALID: UNAVAILABLE,
  ERR_REVOCATION_UNAVAILABLE: UNAVAILABLE,
  ERR_REPLAY_UNAVAILABLE: UNAVAILABLE,
  ERR_TOO_MANY_PENDING: OVERLOADED,
  ...SOURCE_ERRORS,
  // Mistakes of the operator: the peer can do nothing about them.
  ERR_KEY_MISSING: INTERNAL,
  ERR_KEY_INVALID: INTERNAL,
  ERR_KEY_PUBLIC: INTERNAL,
  ERR_KEY_PASSPHRASE: INTERNAL,
  ERR_KEY_ALGORITHM: INTERNAL,
  ERR_KEY_WEAK: INTERNAL,
  ERR_KEY_PERMISSIONS: INTERNAL,
  ERR_CREDENTIAL_NOT_FOUND: INTERNAL,
  ERR_CREDENTIAL_EXISTS: INTERNAL,
  ERR_CREDENTIAL_STORE: INTERNAL,
  ERR_CONFIG_INVALID: INTERNAL,
  ERR_CONFIG_UNREADABLE: INTERNAL,
  ERR_DEPENDENCY_MISSING: INTERNAL,
};

/**
 * Gives the `ConnectError` that stands for an error on the wire.
 *
 * Errors of latchkey follow the table of this module: fixed text, a `www-authenticate` challenge where one belongs, a
 * `google.rpc.ErrorInfo`, and, when it is known how long to wait, `retry-after` and a `google.rpc.RetryInfo`. A
 * `ConnectError` is given back as it is. Anything else becomes `internal` with a fixed text. The error itself is kept
 * as `cause`, which is never sent.
 *
 * Spec: RFC 6750 section 3 (challenge), RFC 9110 section 10.2.3 (retry-after).
 *
 * @example
 * ```ts
 * import { TokenRejectedError, toConnectError } from "latchkey";
 *
 * const error = toConnectError(new TokenRejectedError("ERR_TOKEN_EXPIRED", "the token expired"), { realm: "jobs" });
 * console.log(error.metadata.get("www-authenticate")); // Bearer realm="jobs", error="invalid_token"
 * ```
 *
 * @param error - Whatever was thrown.
 * @param options - The realm of challenges.
 * @throws TypeError if the realm has a quote, a backslash or a character that is not printable ASCII.
 */
export function toConnectError(error: unknown, options: ConnectErrorOptions = {}): ConnectError {
  if (error instanceof ConnectError) return error;
  const { code, text, reason, challenge } = error instanceof AuthError ? WIRE_ERRORS[error.code] : INTERNAL;
  const converted = new ConnectError(text, code, undefined, undefined, error);
  if (challenge !== undefined) {
    converted.metadata.set("www-authenticate", formatChallenge(challenge, error, options));
  }
  if (reason !== undefined) {
    converted.details.push({ desc: ErrorInfoSchema, value: { reason, domain: ERROR_DOMAIN } });
  }
  if (error instanceof KeysUnavailableError && error.retryAfterMs !== undefined) {
    addRetryDelay(converted, error.retryAfterMs);
  }
  return converted;
}

/**
 * Gives the `ConnectError` of a call that its client could not send, for want of a token or of a key that signs: what
 * {@link toConnectError} gives, from the one part of the table that clients need. The rest stays out of their bundles.
 */
export function toUnsentError(error: unknown): ConnectError {
  const { code, text } = error instanceof TokenSourceError ? SOURCE_ERRORS[error.code] : INTERNAL;
  return new ConnectError(text, code, undefined, undefined, error);
}

function formatChallenge(challenge: string | null, error: unknown, options: ConnectErrorOptions): string {
  const { realm = DEFAULTS.realm, scheme = DEFAULTS.scheme, proofAlgorithms = [], resourceMetadata } = options;
  assertRealm(realm);
  const parameters = [`realm="${realm}"`];
  if (challenge !== null) parameters.push(`error="${challenge}"`);
  if (error instanceof StepUpRequiredError) {
    const { acrValues, maxAgeSeconds } = error;
    if (acrValues.length > 0) parameters.push(`acr_values="${acrValues.join(" ")}"`);
    if (maxAgeSeconds !== undefined) parameters.push(`max_age="${maxAgeSeconds}"`);
  }
  if (scheme === "DPoP" && proofAlgorithms.length > 0) parameters.push(`algs="${proofAlgorithms.join(" ")}"`);
  if (resourceMetadata !== undefined) parameters.push(`resource_metadata="${resourceMetadata}"`);
  return `${scheme} ${parameters.join(", ")}`;
}

/** Throws unless `realm` can stand between quotes in a header as it is (RFC 9110 section 5.6.4). */
export function assertRealm(realm: string): void {
  if (typeof realm !== "string" || !/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/.test(realm)) {
    throw new TypeError("realm must be printable ASCII without quotes and backslashes, and not empty");
  }
}

function addRetryDelay(error: ConnectError, delayMs: number): void {
  const wholeMs = Math.max(0, Math.ceil(delayMs));
  error.metadata.set("retry-after", String(Math.ceil(wholeMs / 1_000)));
  error.details.push({
    desc: RetryInfoSchema,
    value: { retryDelay: { seconds: BigInt(Math.floor(wholeMs / 1_000)), nanos: (wholeMs % 1_000) * 1_000_000 } },
  });
}

/**
 * Reads back, on the client, the reason that {@link toConnectError} put into an error.
 *
 * @param error - An error of a call.
 * @returns The reason, or undefined when the error has none of latchkey's.
 */
export function readWireReason(error: ConnectError): WireReason | undefined {
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === ERROR_DOMAIN);
  return WIRE_REASONS.find((reason) => reason === info?.reason);
}

/**
 * Reads back, on the client, how long a server asks to be left alone, from the `google.rpc.RetryInfo` of an error.
 *
 * @param error - An error of a call.
 * @returns Milliseconds, whatever the server wrote; undefined when it did not say.
 */
export function readRetryInfoMs(error: ConnectError): number | undefined {
  const delay = error.findDetails(RetryInfoSchema).find(({ retryDelay }) => retryDelay !== undefined)?.retryDelay;
  return delay === undefined ? undefined : Number(delay.seconds) * 1_000 + delay.nanos / 1_000_000;
}
