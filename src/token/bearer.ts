import { TokenRejectedError } from "../errors.js";
import { TOKEN_LIMITS } from "./compact-jws.js";

// RFC 6750 section 2.1 and RFC 9110 section 11.2. The scheme is case-insensitive (RFC 9110 section 11.1).
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;
const TOKEN68 = /^[A-Za-z0-9\-._~+/]+=*$/;
const LONGEST_HEADER = TOKEN_LIMITS.maxTokenBytes + 64;

/** Tells whether a text may stand after `Bearer ` in an Authorization header (RFC 9110 section 11.2, token68). */
export function isToken68(text: string): boolean {
  return TOKEN68.test(text);
}

/**
 * Reads the bearer token from an Authorization header.
 *
 * Exactly one token: two header lines, which the Fetch API joins by a comma, are refused, for the next hop might take
 * the other one.
 *
 * Spec: RFC 6750 section 2.1.
 *
 * @param authorization - Value of the header; null when the request has none.
 * @returns The token as it stands there.
 * @throws TokenRejectedError `ERR_CREDENTIALS_MISSING` without a header, `ERR_CREDENTIALS_MALFORMED` when it has another
 * scheme or form, `ERR_TOKEN_MALFORMED` when it is too long for a token.
 */
export function parseBearer(authorization: string | null): string {
  if (authorization === null) {
    throw new TokenRejectedError("ERR_CREDENTIALS_MISSING", "The request has no Authorization header");
  }
  if (authorization.length > LONGEST_HEADER) {
    throw new TokenRejectedError("ERR_TOKEN_MALFORMED", "The token is too long");
  }
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) {
    throw new TokenRejectedError(
      "ERR_CREDENTIALS_MALFORMED",
      "The Authorization header is not of the form Bearer TOKEN",
    );
  }
  return token;
}
