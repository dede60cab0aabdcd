/**
 * Bearer tokens on the client: the interceptor and the sources of its tokens. Runs on Node and in browsers.
 *
 * @module
 */

export type { AuthorizationServer } from "./client/authorization-server.js";
export { type BearerAuthOptions, bearerAuth } from "./client/bearer-auth.js";
export { type CachedTokenSource, cachedTokens, type WarmOptions } from "./client/cached-tokens.js";
export type { CachedTokensOptions } from "./client/cached-tokens-options.js";
export { chain } from "./client/chain.js";
export type { ClientAuth, ClientAuthRequest } from "./client/client-auth.js";
export { type ClientCredentialsOptions, clientCredentials } from "./client/client-credentials.js";
export { type CorsHeaders, corsHeaders } from "./client/cors-headers.js";
export { type DpopProofRequest, type DpopProofs, type DpopProofsOptions, dpopProofs } from "./client/dpop-proofs.js";
export {
  type AuthFailure,
  type AuthFailureAction,
  type AuthFailureReason,
  explainAuthError,
} from "./client/explain-auth-error.js";
export { type JwtBearerOptions, jwtBearer } from "./client/jwt-bearer.js";
export type { OAuthFetch, OAuthOptions } from "./client/oauth-options.js";
export { type PrivateKeyJwtOptions, privateKeyJwt } from "./client/private-key-jwt.js";
export { type ResumableOptions, resumable } from "./client/resumable.js";
export { type PerToken, type SignedJwtOptions, signedJwt } from "./client/signed-jwt.js";
export { staticToken } from "./client/static-token.js";
export type { RefreshOccasion, TokenEvent } from "./client/token-event.js";
export { type TokenExchangeOptions, tokenExchange } from "./client/token-exchange.js";
export type { TokenSigningKey } from "./client/token-signing-key.js";
export type { PerCall, TokenTargetOptions } from "./client/token-target.js";
export type { WireReason } from "./connect-errors.js";
export {
  type GenerateSigningKeyOptions,
  generateSigningKey,
  type ImportSigningKeyOptions,
  importSigningKey,
  type SigningKey,
  type SigningKeyPair,
} from "./keys/signing-key.js";
export type { Clock } from "./lib/clock.js";
export type { Labels, Telemetry } from "./telemetry/telemetry.js";
export type { ContextValuesLike, Token, TokenRequest, TokenSource } from "./token/token.js";
