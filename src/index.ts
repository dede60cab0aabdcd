/**
 * What most users of latchkey import: the server side, the client side, and the errors that both share. The subpaths
 * `latchkey/server`, `latchkey/client` and the others have the whole of each side.
 *
 * @module
 */

export { type BearerAuthOptions, bearerAuth } from "./client/bearer-auth.js";
export { type SignedJwtOptions, signedJwt } from "./client/signed-jwt.js";
export { staticToken } from "./client/static-token.js";
export { type ConnectErrorOptions, ERROR_DOMAIN, toConnectError, type WireReason } from "./connect-errors.js";
export {
  type AccessDeniedCode,
  AccessDeniedError,
  AuthError,
  type AuthErrorCode,
  type ConfigCode,
  ConfigError,
  type CredentialCode,
  CredentialError,
  type KeysUnavailableCode,
  KeysUnavailableError,
  type TokenRejectedCode,
  TokenRejectedError,
  type TokenSourceCode,
  TokenSourceError,
} from "./errors.js";
export type { AccessPolicy, MethodAccess, PolicyTable } from "./policy/access-policy.js";
export { getPrincipal, principalKey, requirePrincipal } from "./server/principal-key.js";
export type { ServerAuthEvent } from "./server/rejection-events.js";
export { createServerAuth, type ServerAuth, type ServerAuthOptions } from "./server/server-auth.js";
export type { Principal } from "./token/principal.js";
export type { Token, TokenRequest, TokenSource } from "./token/token.js";
export type { TrustedIssuer } from "./verify/trusted-issuer.js";
