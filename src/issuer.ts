/**
 * Signs tokens, changes the signing key without one token failing, and publishes the public keys.
 *
 * Exported from the subpath `latchkey/issuer`.
 *
 * @module
 */
export { createIssuerEndpoints, type IssuerEndpointsOptions } from "./issuer/endpoints.js";
export {
  createTokenIssuer,
  type IssueRequest,
  type TokenIssuer,
  type TokenIssuerOptions,
} from "./issuer/token-issuer.js";
export { createKeyRing, type KeyRing, type KeyRingEntry, type KeyRingOptions } from "./keys/key-ring.js";
export type { KeyStore, StoredKey } from "./keys/key-store.js";
export type { KeyState } from "./keys/key-timeline.js";
export { memoryKeyStore } from "./keys/memory-key-store.js";
export type { SigningKey } from "./keys/signing-key.js";
export type { Clock } from "./lib/clock.js";
export { createSecret, type Secret } from "./lib/secret.js";
export type { JwsAlgorithm } from "./token/algorithms.js";
export type { ClaimNames } from "./token/claim-names.js";
export type { Token } from "./token/token.js";
