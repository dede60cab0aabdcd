/**
 * Which claims carry what latchkey reads and writes beside the registered ones: each the name of a claim or, for reading,
 * the path to a member inside of one, such as `realm_access.roles`.
 */
export interface ClaimNames {
  /** Organisation of the caller, a string. */
  readonly org: string;
  /** Roles of the caller, an array of strings. */
  readonly roles: string;
  /** OAuth scopes, one string separated by spaces (RFC 8693 section 4.2); an array of strings is read too. */
  readonly scope: string;
  /** Stable identifier of the caller; "sub" when the token has none. */
  readonly principal: string;
}

/** The names on both sides unless configured otherwise. */
export const DEFAULT_CLAIM_NAMES: ClaimNames = {
  org: "org",
  roles: "roles",
  scope: "scope",
  principal: "principal_id",
};

/** The "typ" of the tokens that latchkey signs, and requires unless configured otherwise (RFC 9068 section 2.1). */
export const ACCESS_TOKEN_TYPE = "at+jwt";

/** The claims that RFC 7519 section 4.1 registers; who signs a token sets them, and nobody else. */
export const REGISTERED_CLAIMS: ReadonlySet<string> = new Set(["iss", "sub", "aud", "exp", "nbf", "iat", "jti"]);
