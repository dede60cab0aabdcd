/**
 * Public keys of token issuers, fetched and kept: `latchkey/jwks`.
 *
 * @module
 */
export {
  AccessDeniedError,
  AuthError,
  type KeysUnavailableCode,
  KeysUnavailableError,
  TokenRejectedError,
} from "./errors.js";
export { createJwks, type Jwks, type JwksKeyQuery, type JwksStatus } from "./jwks/jwks.js";
export { createJwksAdmin, type JwksAdminOptions } from "./jwks/jwks-admin.js";
export type { JwksAdminErrorCode } from "./jwks/jwks-admin-refusal.js";
export type { JwksEvent, RefreshKind } from "./jwks/jwks-event.js";
export type { JwksFetch, JwksOptions } from "./jwks/jwks-options.js";
export {
  createJwksRegistry,
  type JwksProviderStatus,
  type JwksRegistry,
  type JwksRegistryEvent,
} from "./jwks/jwks-registry.js";
export type { JwksRegistryOptions } from "./jwks/jwks-registry-options.js";
export type { JwksSnapshot } from "./jwks/jwks-snapshot.js";
export type { PublicJwk } from "./jwks/key-set.js";
export type { JwksProviderOptions, JwksRegistration } from "./jwks/registration.js";
export type { SnapshotOptions, SnapshotSecret, SnapshotStore, SnapshotSummary } from "./jwks/snapshot-store.js";
export type { RetryJitter } from "./lib/backoff.js";
export type { Clock } from "./lib/clock.js";
export type { Labels, Telemetry, TelemetrySpan } from "./telemetry/telemetry.js";
