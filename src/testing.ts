/**
 * `latchkey/testing`: an issuer and a clock for the tests of a service.
 *
 * @module
 */

export type { Clock } from "./lib/clock.js";
export { createManualClock, type ManualClock } from "./testing/manual-clock.js";
export { createTestIssuer, type MintOptions, type TestIssuer, type TestIssuerOptions } from "./testing/test-issuer.js";
