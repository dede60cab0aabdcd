/**
 * Authentication for Connect servers: verifies bearer tokens before a request body is read, and holds every call and
 * every message against the policy of its method.
 *
 * Exported from the subpath `latchkey/server`.
 *
 * @module
 */
export { type CorsHeaders, corsHeaders } from "./client/cors-headers.js";
export { type ConnectErrorOptions, ERROR_DOMAIN, toConnectError, type WireReason } from "./connect-errors.js";
export {
  type AccessDeniedCode,
  AccessDeniedError,
  AuthError,
  type AuthErrorCode,
  type KeysUnavailableCode,
  KeysUnavailableError,
  type TokenRejectedCode,
  TokenRejectedError,
} from "./errors.js";
export type { JwksFetch, JwksOptions } from "./jwks/jwks-options.js";
export type { Clock } from "./lib/clock.js";
export type { AccessPolicy, MethodAccess, PolicyTable } from "./policy/access-policy.js";
export type { Condition, ConditionCompiler } from "./policy/condition.js";
export { formatAccess } from "./policy/format-access.js";
export { clientCertificateKey } from "./server/client-certificate.js";
export { IDENTITY_HEADERS } from "./server/identity-headers.js";
export { getPrincipal, principalKey, requirePrincipal, type WithContextValues } from "./server/principal-key.js";
export type { AdapterOptions } from "./server/protect.js";
export type { FailedEvent, RejectedEvent, ServerAuthEvent } from "./server/rejection-events.js";
export type { Routes } from "./server/routes.js";
export { createServerAuth, type ServerAuth, type ServerAuthOptions } from "./server/server-auth.js";
export type { ExpiringStream, StreamOptions } from "./server/stream-options.js";
export type { Labels, Telemetry } from "./telemetry/telemetry.js";
export type { JwsAlgorithm } from "./token/algorithms.js";
export type { ClaimNames } from "./token/claim-names.js";
export type { Principal } from "./token/principal.js";
export type { DpopOptions } from "./verify/dpop-options.js";
export type { ReplayStore } from "./verify/replay-store.js";
export type { Revocation, RevocationQuery } from "./verify/revocation.js";
export type { RevocationOptions } from "./verify/revocation-check.js";
export type { FindKey, TrustedIssuer, TrustedKey, TrustedPrincipal } from "./verify/trusted-issuer.js";
export type { TokenCacheOptions, VerifierOptions } from "./verify/verifier-options.js";
