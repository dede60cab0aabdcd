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
import { AuthError, type AuthErrorCode, KeysUnavailableError } from "./errors.js";

/** The `domain` of every `google.rpc.ErrorInfo` that latchkey sends. */
export const ERROR_DOMAIN = "latchkey";

const WIRE_REASONS = [
  "CREDENTIALS_MISSING",
  "CREDENTIALS_MALFORMED",
  "TOKEN_EXPIRED",
  "TOKEN_REJECTED",
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
}

const DEFAULTS = { realm: "latchkey" } satisfies Required<ConnectErrorOptions>;

/** What one kind of error becomes. */
interface WireError {
  readonly code: Code;
  readonly text: string;
  readonly reason?: WireReason;
  /** RFC 6750 section 3: `null` is a challenge without an "error" attribute, absent is no challenge at all. */
  readonly challenge?: "invalid_request" | "invalid_token" | "insufficient_scope" | null;
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
  ERR_KEY_NOT_FOUND: REJECTED,
  ERR_KEY_UNUSABLE: REJECTED,
  ERR_ROLE_MISSING: DENIED,
  ERR_SCOPE_MISSING: DENIED,
  ERR_ORG_MISSING: DENIED,
  ERR_ORG_MISMATCH: DENIED,
  ERR_CONDITION_NOT_MET: DENIED,
  ERR_KEYS_UNAVAILABLE: UNAVAILABLE,
  ERR_KEYS_INVALID: UNAVAILABLE,
  ERR_REVOCATION_UNAVAILABLE: UNAVAILABLE,
  ERR_TOO_MANY_PENDING: OVERLOADED,
  // These four arise in the client's own process, before anything is sent.
  ERR_TOKEN_SOURCE_UNAVAILABLE: { code: Code.Unavailable, text: "no token could be obtained at present" },
  ERR_TOKEN_SOURCE_REFUSED: { code: Code.Unauthenticated, text: "the token source refused to issue a token" },
  ERR_TOKEN_SOURCE_INVALID: { code: Code.Internal, text: "the token source gave something unusable" },
  ERR_TOKEN_ORIGIN: { code: Code.FailedPrecondition, text: "no token may be sent to this origin" },
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
    const { realm = DEFAULTS.realm } = options;
    assertRealm(realm);
    const attribute = challenge === null ? "" : `, error="${challenge}"`;
    converted.metadata.set("www-authenticate", `Bearer realm="${realm}"${attribute}`);
  }
  if (reason !== undefined) {
    converted.details.push({ desc: ErrorInfoSchema, value: { reason, domain: ERROR_DOMAIN } });
  }
  if (error instanceof KeysUnavailableError && error.retryAfterMs !== undefined) {
    addRetryDelay(converted, error.retryAfterMs);
  }
  return converted;
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
