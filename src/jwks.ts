/**
 * Public keys of token issuers, fetched and kept: `latchkey/jwks`.
 *
 * @module
 */
export { AuthError, type KeysUnavailableCode, KeysUnavailableError, TokenRejectedError } from "./errors.js";
export { createJwks, type Jwks, type JwksKeyQuery, type JwksStatus } from "./jwks/jwks.js";
export type { JwksFetch, JwksOptions } from "./jwks/jwks-options.js";
