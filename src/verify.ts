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
export { certificateThumbprint } from "./verify/confirmation.js";
export type { DpopOptions } from "./verify/dpop-options.js";
export { type FetchRevocationsOptions, fetchRevocations } from "./verify/fetch-revocations.js";
export { createMemoryReplayStore, type MemoryReplayStoreOptions } from "./verify/memory-replay-store.js";
export {
  createPolledRevocation,
  type LoadRevocations,
  type PolledRevocation,
  type PolledRevocationOptions,
} from "./verify/polled-revocation.js";
export type { ReplayStore } from "./verify/replay-store.js";
export type { Revocation, RevocationQuery } from "./verify/revocation.js";
export type { RevocationOptions } from "./verify/revocation-check.js";
export type {
  RevocationEntry,
  RevocationName,
  RevokedKey,
  RevokedSubject,
  RevokedToken,
} from "./verify/revocation-entry.js";
export { revocationKey } from "./verify/revocation-key.js";
export { createRevocationList, type RevocationList, type RevocationListOptions } from "./verify/revocation-list.js";
export {
  createStoredRevocation,
  type RevocationStore,
  type StoredRevocation,
  type StoredRevocationOptions,
} from "./verify/stored-revocation.js";
export type { ProvenRequest, TokenSender } from "./verify/token-sender.js";
export type { FindKey, TrustedIssuer, TrustedKey, TrustedPrincipal } from "./verify/trusted-issuer.js";
export { createVerifier, type Verifier, type VerifyOptions } from "./verify/verifier.js";
export type { TokenCacheOptions, VerifierOptions } from "./verify/verifier-options.js";
