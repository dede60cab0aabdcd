import {
  assertBoolean,
  assertFields,
  assertFunction,
  assertNonEmptyString,
  assertNonEmptyStrings,
  assertPositive,
  type FieldsOf,
  withoutUndefined,
} from "../lib/options.js";
import { isJwsAlgorithm, JWS_ALGORITHMS, type JwsAlgorithm } from "../token/algorithms.js";
import { normalizeTarget } from "./dpop-target.js";
import type { ReplayStore } from "./replay-store.js";

/** What is asked of the proofs that come with tokens bound to a key (RFC 9449). */
export interface DpopOptions {
  /**
   * Accepted algorithms of proofs; told in challenges. The caller chooses among them, and so what a check costs: one of
   * ES512 takes as long as several of ES256. @defaultValue `["ES256", "EdDSA", "PS256", "RS256"]`
   */
  readonly algorithms?: readonly JwsAlgorithm[];
  /** How old a proof may be by its "iat", in seconds, beside the tolerance for clocks. @defaultValue `60` */
  readonly maxAgeSeconds?: number;
  /**
   * Whether a proof has to hold a nonce that this server gave out (RFC 9449 section 9). A caller without a recent one is
   * turned away once and told one. Proofs cannot be made in advance then, nor, without `nonceSecret`, be used again after
   * a restart. @defaultValue `false`
   */
  readonly requireNonce?: boolean;
  /**
   * What nonces are made with, at least 32 random bytes: give the same to all servers that a caller may reach by one
   * origin. @defaultValue bytes of its own for each process
   */
  readonly nonceSecret?: Uint8Array;
  /** How long a nonce is good, in seconds. @defaultValue `300` (5 minutes) */
  readonly nonceLifetimeSeconds?: number;
  /**
   * Where used proofs are remembered. Several servers for one origin have to share one. @defaultValue the memory of this
   * process, up to 100,000 proofs
   */
  readonly replayStore?: ReplayStore;
  /**
   * The origin by which callers know this service, such as `https://jobs.example`, for a service behind a proxy that
   * changes scheme or host. Without it the Host that a caller names is believed: set it wherever other services accept
   * the same tokens, for one of them could pass a fresh proof on. @defaultValue the origin of each request as it arrives
   */
  readonly origin?: string;
}

/** {@link DpopOptions}, checked, copied and with defaults; durations in milliseconds. */
export interface DpopSettings {
  readonly algorithms: ReadonlySet<string>;
  readonly maxAgeMs: number;
  readonly requireNonce: boolean;
  /** Undefined: make one up. */
  readonly nonceSecret: Uint8Array | undefined;
  readonly nonceLifetimeMs: number;
  /** Undefined: the memory of this process. */
  readonly replayStore: ReplayStore | undefined;
  readonly origin: string | undefined;
}

const DEFAULTS = {
  algorithms: ["ES256", "EdDSA", "PS256", "RS256"],
  maxAgeSeconds: 60,
  requireNonce: false,
  nonceLifetimeSeconds: 5 * 60,
} as const satisfies DpopOptions;

const FIELDS: FieldsOf<DpopOptions> = {
  algorithms: true,
  maxAgeSeconds: true,
  requireNonce: true,
  nonceSecret: true,
  nonceLifetimeSeconds: true,
  replayStore: true,
  origin: true,
};
const MIN_SECRET_BYTES = 32;

/**
 * Checks {@link DpopOptions} and fills in the defaults.
 *
 * @throws TypeError or RangeError naming the field, with `dpop.` before it.
 */
export function resolveDpopOptions(options: DpopOptions): DpopSettings {
  assertFields("dpop", options, FIELDS);
  const given = { ...DEFAULTS, ...withoutUndefined(options) };
  const { algorithms, maxAgeSeconds, requireNonce, nonceSecret, nonceLifetimeSeconds, replayStore, origin } = given;
  assertAlgorithms(algorithms);
  assertPositive("dpop.maxAgeSeconds", maxAgeSeconds);
  assertBoolean("dpop.requireNonce", requireNonce);
  assertPositive("dpop.nonceLifetimeSeconds", nonceLifetimeSeconds);
  if (replayStore !== undefined) assertFunction("dpop.replayStore.claim", replayStore?.claim);
  return {
    algorithms: new Set(algorithms),
    maxAgeMs: maxAgeSeconds * 1_000,
    requireNonce,
    nonceSecret: copySecret(nonceSecret),
    nonceLifetimeMs: nonceLifetimeSeconds * 1_000,
    replayStore,
    origin: origin === undefined ? undefined : parseOrigin(origin),
  };
}

function assertAlgorithms(algorithms: unknown): void {
  assertNonEmptyStrings("dpop.algorithms", algorithms);
  algorithms.forEach((algorithm, index) => {
    if (isJwsAlgorithm(algorithm)) return;
    throw new RangeError(`dpop.algorithms[${index}] must be one of ${JWS_ALGORITHMS.join(", ")}`);
  });
}

function copySecret(secret: Uint8Array | undefined): Uint8Array | undefined {
  if (secret === undefined) return undefined;
  if (!(secret instanceof Uint8Array)) throw new TypeError("dpop.nonceSecret must be a Uint8Array");
  if (secret.length < MIN_SECRET_BYTES) {
    throw new RangeError(`dpop.nonceSecret must have at least ${MIN_SECRET_BYTES} bytes`);
  }
  return Uint8Array.from(secret);
}

function parseOrigin(text: string): string {
  assertNonEmptyString("dpop.origin", text);
  const origin = URL.parse(text)?.origin;
  // The path is that of each request: one given here would have no effect.
  if (/[?#]/.test(text) || normalizeTarget(text) !== `${origin}/`) {
    throw new TypeError("dpop.origin must be an http or https origin, such as https://jobs.example");
  }
  return origin as string;
}
