import { type Clock, systemClock } from "../lib/clock.js";
import type { FieldsOf } from "../lib/options.js";
import { noTelemetry, type Telemetry } from "../telemetry/telemetry.js";
import type { DpopOptions } from "./dpop-verifier.js";
import type { Revocation } from "./revocation.js";
import type { RevocationOptions } from "./revocation-check.js";
import type { TrustedIssuer } from "./trusted-issuer.js";

/** Options of {@link createVerifier}. */
export interface VerifierOptions {
  /** Whose tokens are accepted; at least one, each "iss" once. */
  readonly issuers: readonly TrustedIssuer[];
  /** How far clocks may disagree, in seconds; may be 0, and with `revocation` at most 60. @defaultValue `5` */
  readonly clockToleranceSeconds?: number;
  /** Permits `jwksUri` and `discovery` with `http:` to a loopback host, as development needs. @defaultValue `false` */
  readonly allowLoopbackHttp?: boolean;
  /** Limits of the cache of verified tokens; `false` verifies every token anew. */
  readonly tokenCache?: TokenCacheOptions | false;
  /**
   * Most signature checks under way, and most key look-ups per issuer; more callers are turned away. Waiting for a
   * published key set is bounded apart from it, by `jwksOptions.maxPendingCallers`, so that made-up kids take no place
   * from good tokens. @defaultValue `256`
   */
  readonly maxPendingVerifications?: number;
  /** Says which tokens were taken back; asked for every call, and again while a stream runs. @defaultValue nobody is asked */
  readonly revocation?: Revocation;
  /** How long an answer about a revocation may take, and what happens without one. */
  readonly revocationOptions?: RevocationOptions;
  /**
   * Accepts tokens that are bound to a key (`cnf.jkt`) when a proof of the key comes along; `{}` takes every default.
   * Several servers of one service need a shared `replayStore`. @defaultValue such tokens are refused
   */
  readonly dpop?: DpopOptions;
  /** Where measurements go. @defaultValue nowhere */
  readonly telemetry?: Telemetry;
  /** Time. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** Limits of the cache of verified tokens. */
export interface TokenCacheOptions {
  /** Most tokens remembered; one that was not asked for long is forgotten first. @defaultValue `10_000` */
  readonly maxEntries?: number;
  /** Longest time a token is remembered, in milliseconds. @defaultValue `300_000` (5 minutes) */
  readonly maxAgeMs?: number;
}

/** What holds where {@link VerifierOptions} leave something out. */
export const VERIFIER_DEFAULTS: Readonly<
  Required<Omit<VerifierOptions, "issuers" | "revocation" | "revocationOptions" | "dpop" | "tokenCache">> & {
    readonly tokenCache: Required<TokenCacheOptions>;
  }
> = {
  clockToleranceSeconds: 5,
  allowLoopbackHttp: false,
  tokenCache: { maxEntries: 10_000, maxAgeMs: 5 * 60 * 1_000 },
  maxPendingVerifications: 256,
  telemetry: noTelemetry,
  clock: systemClock,
};

/** The fields of {@link VerifierOptions}. */
export const VERIFIER_FIELDS: FieldsOf<VerifierOptions> = {
  issuers: true,
  clockToleranceSeconds: true,
  allowLoopbackHttp: true,
  tokenCache: true,
  maxPendingVerifications: true,
  revocation: true,
  revocationOptions: true,
  dpop: true,
  telemetry: true,
  clock: true,
};

/** The fields of {@link TokenCacheOptions}. */
export const TOKEN_CACHE_FIELDS: FieldsOf<TokenCacheOptions> = { maxEntries: true, maxAgeMs: true };
