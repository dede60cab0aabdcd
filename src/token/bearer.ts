import { TokenRejectedError } from "../errors.js";
import { TOKEN_LIMITS } from "./compact-jws.js";

// RFC 6750 section 2.1 and RFC 9449 section 7.1. The scheme is case-insensitive (RFC 9110 section 11.1).
const SCHEME = /^(bearer|dpop) +/i;
// RFC 9110 section 11.2.
const TOKEN68 = /^[A-Za-z0-9\-._~+/]+=*$/;
const LONGEST_HEADER = TOKEN_LIMITS.maxTokenBytes + 64;

/** Tells whether a text may stand after `Bearer ` in an Authorization header (RFC 9110 section 11.2, token68). */
export function isToken68(text: string): boolean {
  return TOKEN68.test(text);
}

/** What an Authorization header carries. */
export interface Credentials {
  /** `DPoP`: the token comes with a proof of the key it is bound to. */
  readonly scheme: "Bearer" | "DPoP";
  /** The token as it stands there. */
  readonly token: string;
}

/**
 * Takes an Authorization header of the scheme `Bearer` or `DPoP` apart, without looking at the characters of the token:
 * one that was verified before has the right ones. What {@link blameCredentials} says of a refusal belongs to it.
 *
 * Spec: RFC 6750 section 2.1, RFC 9449 section 7.1.
 *
 * @param authorization - Value of the header; null when the request has none.
 * @throws TokenRejectedError `ERR_CREDENTIALS_MISSING` without a header, `ERR_CREDENTIALS_MALFORMED` when it has another
 * scheme, `ERR_TOKEN_MALFORMED` when it is too long for a token.
 */
export function splitCredentials(authorization: string | null): Credentials {
  if (authorization === null) {
    throw new TokenRejectedError("ERR_CREDENTIALS_MISSING", "The request has no Authorization header");
  }
  if (authorization.length > LONGEST_HEADER) {
    throw new TokenRejectedError("ERR_TOKEN_MALFORMED", "The token is too long");
  }
  const [prefix, scheme] = SCHEME.exec(authorization) ?? [];
  if (prefix === undefined || scheme === undefined) throw malformed();
  return { scheme: scheme.length === "DPoP".length ? "DPoP" : "Bearer", token: authorization.slice(prefix.length) };
}

/**
 * Says of a malformed token whether it is the header that is malformed: two of them, which the Fetch API joins by a
 * comma, or anything else that cannot stand there. The next hop might take another part of it for the token.
 *
 * @param error - Why the token was refused.
 * @param token - What {@link splitCredentials} gave.
 * @returns The error to answer: `ERR_CREDENTIALS_MALFORMED`, or the one given.
 */
export function blameCredentials(error: unknown, token: string): unknown {
  const isMalformed = error instanceof TokenRejectedError && error.code === "ERR_TOKEN_MALFORMED";
  return isMalformed && !isToken68(token) ? malformed() : error;
}

/**
 * Reads the bearer token from an Authorization header. Exactly one token, and no other scheme.
 *
 * Spec: RFC 6750 section 2.1.
 *
 * @param authorization - Value of the header; null when the request has none.
 * @returns The token as it stands there.
 * @throws TokenRejectedError `ERR_CREDENTIALS_MISSING` without a header, `ERR_CREDENTIALS_MALFORMED` when it has another
 * scheme or form, `ERR_TOKEN_MALFORMED` when it is too long for a token.
 */
export function parseBearer(authorization: string | null): string {
  const { scheme, token } = splitCredentials(authorization);
  if (scheme !== "Bearer" || !isToken68(token)) throw malformed();
  return token;
}

function malformed(): TokenRejectedError {
  return new TokenRejectedError(
    "ERR_CREDENTIALS_MALFORMED",
    "The Authorization header is not of the form Bearer TOKEN",
  );
}
