/**
 * Bearer tokens on the client: the interceptor and the sources of its tokens. Runs on Node and in browsers.
 *
 * @module
 */

export { type BearerAuthOptions, bearerAuth } from "./client/bearer-auth.js";
export {
  type CachedTokenSource,
  type CachedTokensOptions,
  cachedTokens,
  type WarmOptions,
} from "./client/cached-tokens.js";
export { type SignedJwtOptions, signedJwt } from "./client/signed-jwt.js";
export { staticToken } from "./client/static-token.js";
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
export type { Token, TokenRequest, TokenSource } from "./token/token.js";
