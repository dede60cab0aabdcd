import type { DescMethod } from "@bufbuild/protobuf";
import type { ContextValues } from "@connectrpc/connect";
import { assertFields, assertFunction, assertNotNegative, assertPositive, withoutUndefined } from "../lib/options.js";
import type { Principal } from "../token/principal.js";

/** How long streams go on, and who hears of their end. */
export interface StreamOptions {
  /**
   * How often the token of a running stream is verified again, in milliseconds: how long a stream may outlive the
   * revocation of its token, the end of its key, or a change of its caller's roles. Jittered, 10 % shorter at most.
   * A check costs a hash and a look-up, or a question to the store of revocations;
   * while nobody can answer it, the streams whose turn it is end as `unavailable`. @defaultValue `30_000` (30 seconds)
   */
  readonly recheckMs?: number;
  /**
   * Ends streams that began together at different times, each up to so many milliseconds before its token's expiry plus
   * the clock tolerance, so that they are not all opened again at once; at most half of what a token has left.
   * @defaultValue `0`
   */
  readonly expiryJitterMs?: number;
  /**
   * Is told once that a stream is about to be ended since its token expires: time to write a last message, such as a
   * cursor to go on from. What it throws is dropped. @defaultValue nobody is told
   */
  readonly onExpiring?: (stream: ExpiringStream) => void;
  /** How long before the end `onExpiring` is called, in milliseconds. @defaultValue `10_000` (10 seconds) */
  readonly expiringLeadMs?: number;
}

/** A stream that is about to be ended. */
export interface ExpiringStream {
  /** The method called. */
  readonly method: DescMethod;
  /** The caller. */
  readonly principal: Principal;
  /** Context values of the call, as its handler has them: where a handler can leave word of how to reach it. */
  readonly contextValues: ContextValues;
  /** When the stream will be ended, in milliseconds since the epoch. */
  readonly endsAtMs: number;
}

/** {@link StreamOptions}, with every default. */
export type StreamSettings = Required<Omit<StreamOptions, "onExpiring">> & Pick<StreamOptions, "onExpiring">;

const DEFAULTS = {
  recheckMs: 30 * 1_000,
  expiryJitterMs: 0,
  expiringLeadMs: 10 * 1_000,
} as const satisfies StreamOptions;

/**
 * Checks {@link StreamOptions}.
 *
 * @throws TypeError or RangeError naming the field.
 */
export function resolveStreamOptions(options: StreamOptions = {}): StreamSettings {
  const known = { recheckMs: 0, expiryJitterMs: 0, onExpiring: 0, expiringLeadMs: 0 };
  assertFields("streams", options, known);
  const settings: StreamSettings = { ...DEFAULTS, ...withoutUndefined(options) };
  assertPositive("streams.recheckMs", settings.recheckMs);
  assertNotNegative("streams.expiryJitterMs", settings.expiryJitterMs);
  assertNotNegative("streams.expiringLeadMs", settings.expiringLeadMs);
  if (settings.onExpiring !== undefined) assertFunction("streams.onExpiring", settings.onExpiring);
  return settings;
}
