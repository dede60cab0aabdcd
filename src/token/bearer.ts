import { TokenRejectedError } from "../errors.js";
import { TOKEN_LIMITS } from "./compact-jws.js";

// RFC 6750 section 2.1, RFC 9449 section 7.1 and RFC 9110 section 11.2. The scheme is case-insensitive (RFC 9110 section
// 11.1).
const CREDENTIALS = /^(bearer|dpop) +([A-Za-z0-9\-._~+/]+=*)$/i;
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
 * Reads the token from an Authorization header of the scheme `Bearer` or `DPoP`.
 *
 * Exactly one token: two header lines, which the Fetch API joins by a comma, are refused, for the next hop might take
 * the other one.
 *
 * Spec: RFC 6750 section 2.1, RFC 9449 section 7.1.
 *
 * @param authorization - Value of the header; null when the request has none.
 * @throws TokenRejectedError `ERR_CREDENTIALS_MISSING` without a header, `ERR_CREDENTIALS_MALFORMED` when it has another
 * scheme or form, `ERR_TOKEN_MALFORMED` when it is too long for a token.
 */
export function parseCredentials(authorization: string | null): Credentials {
  if (authorization === null) {
    throw new TokenRejectedError("ERR_CREDENTIALS_MISSING", "The request has no Authorization header");
  }
  if (authorization.length > LONGEST_HEADER) {
    throw new TokenRejectedError("ERR_TOKEN_MALFORMED", "The token is too long");
  }
  const [, scheme, token] = CREDENTIALS.exec(authorization) ?? [];
  if (scheme === undefined || token === undefined) throw malformed();
  return { scheme: scheme.length === "DPoP".length ? "DPoP" : "Bearer", token };
}

/**
 * Reads the bearer token from an Authorization header, as {@link parseCredentials} does; every other scheme is refused.
 *
 * @param authorization - Value of the header; null when the request has none.
 * @returns The token as it stands there.
 * @throws TokenRejectedError as {@link parseCredentials} does.
 */
export function parseBearer(authorization: string | null): string {
  const { scheme, token } = parseCredentials(authorization);
  if (scheme !== "Bearer") throw malformed();
  return token;
}

function malformed(): TokenRejectedError {
  return new TokenRejectedError(
    "ERR_CREDENTIALS_MALFORMED",
    "The Authorization header is not of the form Bearer TOKEN",
  );
}
