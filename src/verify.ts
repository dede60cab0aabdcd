/**
 * Verification of bearer tokens, for any HTTP handler: `latchkey/verify`.
 *
 * @module
 */
export {
  AuthError,
  type KeysUnavailableCode,
  KeysUnavailableError,
  type TokenRejectedCode,
  TokenRejectedError,
} from "./errors.js";
export { JWS_ALGORITHMS, type JwsAlgorithm } from "./token/algorithms.js";
export { parseBearer } from "./token/bearer.js";
export type { ClaimNames } from "./token/claim-names.js";
export type { Principal } from "./token/principal.js";
export type { FindKey, TrustedIssuer, TrustedKey, TrustedPrincipal } from "./verify/trusted-issuer.js";
export { createVerifier, type TokenCacheOptions, type Verifier, type VerifierOptions } from "./verify/verifier.js";
