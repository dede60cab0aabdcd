/**
 * What needs Node.js: keys and credentials in files, and connections to issuers that are pinned.
 *
 * Exported from the subpath `latchkey/node`.
 *
 * @module
 */
export { type TokenFileOptions, tokenFile } from "./client/node-token-file.js";
export type { JwksFetch } from "./jwks/jwks-options.js";
export { type PinnedFetch, type PinnedFetchOptions, pinnedFetch } from "./jwks/node-pinned-fetch.js";
export type { Credential } from "./keys/credential.js";
export type { CreateCredentialOptions, CredentialPatch, CredentialStore } from "./keys/credential-store.js";
export type { KeyStore, StoredKey } from "./keys/key-store.js";
export { memoryKeyStore } from "./keys/memory-key-store.js";
export { type CredentialStoreOptions, openCredentialStore } from "./keys/node-credential-store.js";
export { directoryKeyStore } from "./keys/node-directory-key-store.js";
export { type LoadSigningKeyOptions, loadSigningKey, type SigningKeySource } from "./keys/node-signing-key.js";
export {
  type SigningKeyEvent,
  type WatchedSigningKey,
  type WatchSigningKeyOptions,
  watchSigningKey,
} from "./keys/node-watched-signing-key.js";
export {
  type GenerateSigningKeyOptions,
  generateSigningKey,
  type ImportSigningKeyOptions,
  importSigningKey,
  type SigningKey,
  type SigningKeyPair,
} from "./keys/signing-key.js";
export { jwkThumbprint, keyFingerprint } from "./keys/thumbprint.js";
export { readTokenLifetimeSeconds } from "./keys/token-lifetime.js";
export type { Clock } from "./lib/clock.js";
export type { Secret } from "./lib/secret.js";
export type { JwsAlgorithm } from "./token/algorithms.js";
