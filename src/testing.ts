/**
 * `latchkey/testing`: an issuer, a clock, and an examination of servers, for the tests of a service. Runs on Node.js.
 *
 * @module
 */

export type { Clock } from "./lib/clock.js";
export type { HeldAnswer, TestIssuerEndpoint } from "./testing/answer-script.js";
export {
  type AuthConformance,
  type AuthConformanceOptions,
  authConformance,
  type ConformanceCase,
} from "./testing/auth-conformance.js";
export type { ConformanceSubject, MountedServer, MountServer, RpcProtocol } from "./testing/conformance-mount.js";
export type { CallKind } from "./testing/echo-call.js";
export type { FindCaller } from "./testing/echo-observer.js";
export { type HostileToken, hostileTokens } from "./testing/hostile-tokens.js";
export type { TestIssuerFault, TestIssuerResponse } from "./testing/issuer-answer.js";
export { createManualClock, type ManualClock } from "./testing/manual-clock.js";
export {
  type AnswerNextOptions,
  type HoldOptions,
  type ServedTestIssuer,
  type ServeTestIssuerOptions,
  serveTestIssuer,
} from "./testing/node-served-test-issuer.js";
export type { RawPart } from "./testing/raw-part.js";
export {
  createTestIssuer,
  type ForgeOptions,
  type MintOptions,
  type TestIssuer,
  type TestIssuerOptions,
  type TrustedTestIssuer,
} from "./testing/test-issuer.js";
export type { JwsAlgorithm } from "./token/algorithms.js";
