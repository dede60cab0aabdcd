import { AuthError, KeysUnavailableError, TokenRejectedError } from "../errors.js";
import type { Clock } from "../lib/clock.js";
import { createLazyAbort, type LazyAbort } from "../lib/lazy-abort.js";
import {
  assertFunction,
  assertPositive,
  assertPositiveInteger,
  type FieldsOf,
  withoutUndefined,
} from "../lib/options.js";
import { raceSignal } from "../lib/signal.js";
import type { Telemetry } from "../telemetry/telemetry.js";
import { readClaim } from "../token/claims.js";
import type { Principal } from "../token/principal.js";
import type { Revocation, RevocationQuery } from "./revocation.js";
import { REVOCATION_SLACK_MS } from "./revocation-entry.js";

/** How a verifier asks its {@link Revocation}. */
export interface RevocationOptions {
  /** Longest wait for an answer that is a promise, in milliseconds. @defaultValue `250` */
  readonly timeoutMs?: number;
  /**
   * What becomes of a call when nobody can say whether its token is revoked. `"accept"` lets it pass, and counts it: an
   * outage of the store then brings revoked tokens back to life until they expire. @defaultValue `"reject"`
   */
  readonly onUnavailable?: "reject" | "accept";
  /**
   * Most answers waited for at a time; more callers are turned away, whatever `onUnavailable` says: a flood must not
   * switch revocation off. @defaultValue `1_000`
   */
  readonly maxPending?: number;
}

/** The fields of {@link RevocationOptions}. */
export const REVOCATION_FIELDS: FieldsOf<RevocationOptions> = {
  timeoutMs: true,
  onUnavailable: true,
  maxPending: true,
};

/** {@link RevocationOptions}, and collaborators. */
export interface RevocationCheckOptions extends RevocationOptions {
  /** Where calls that nobody could judge are counted. Must not throw. */
  readonly telemetry: Telemetry;
  /** Time of the wait. */
  readonly clock: Clock;
  /** How long tokens are accepted after they have expired, in milliseconds. */
  readonly toleranceMs: number;
}

/**
 * Lets a caller pass whose token is not revoked: at once, without a promise, when the port answers without one.
 *
 * Throws, or rejects with, {@link TokenRejectedError} `ERR_TOKEN_REVOKED`, or `ERR_TOKEN_CLAIMS` for a "jti" that is no
 * text; {@link KeysUnavailableError} `ERR_REVOCATION_UNAVAILABLE` when nobody can say, or `ERR_TOO_MANY_PENDING`; or the
 * reason of `signal`.
 */
export type RevocationCheck = (principal: Principal, signal?: AbortSignal) => Promise<void> | undefined;

const DEFAULTS = {
  timeoutMs: 250,
  onUnavailable: "reject",
  maxPending: 1_000,
} as const satisfies Required<RevocationOptions>;

/**
 * Creates a {@link RevocationCheck}.
 *
 * Every call asks for itself. Calls with one token do not share an answer that is under way: it may have been looked up
 * before the token was revoked, and whoever comes after that must be refused.
 *
 * What the port throws is not passed on, since it may show what was asked; errors of our own show nothing.
 *
 * @throws TypeError or RangeError naming the field that cannot be used.
 */
export function createRevocationCheck(revocation: Revocation, options: RevocationCheckOptions): RevocationCheck {
  const { timeoutMs, onUnavailable, maxPending } = { ...DEFAULTS, ...withoutUndefined(options) };
  const { telemetry, clock, toleranceMs } = options;
  assertFunction("revocation.isRevoked", revocation?.isRevoked);
  assertPositive("revocationOptions.timeoutMs", timeoutMs);
  assertPositiveInteger("revocationOptions.maxPending", maxPending);
  if (onUnavailable !== "reject" && onUnavailable !== "accept") {
    throw new TypeError('revocationOptions.onUnavailable must be "reject" or "accept"');
  }
  // What is forgotten while its token is still accepted is revoked no longer.
  if (toleranceMs > REVOCATION_SLACK_MS) {
    throw new RangeError(
      `clockToleranceSeconds must be at most ${REVOCATION_SLACK_MS / 1_000} with revocation, got ${toleranceMs / 1_000}`,
    );
  }
  let pending = 0;
  // Who answers at once looks at no signal, and leaves it to the next.
  let spare: LazyAbort | undefined;

  const judge = (answer: unknown): void => {
    if (answer === true) throw new TokenRejectedError("ERR_TOKEN_REVOKED", "The token is revoked");
    if (answer !== false) onUnknown("invalid");
  };

  const onUnknown = (outcome: "failed" | "invalid" | "timeout", error?: unknown): void => {
    telemetry.count("latchkey.verify.revocation_unavailable", { outcome });
    if (onUnavailable === "accept") return;
    throw new KeysUnavailableError(
      "ERR_REVOCATION_UNAVAILABLE",
      "Nobody can say whether the token is revoked",
      error instanceof AuthError ? { cause: error } : {},
    );
  };

  const waitFor = async (
    answer: unknown,
    deadline: AbortController,
    signal: AbortSignal | undefined,
  ): Promise<void> => {
    let given: unknown;
    const leave = (): void => deadline.abort(signal?.reason);
    const timer = clock.setTimer(() => deadline.abort(LATE), timeoutMs);
    if (signal?.aborted === true) leave();
    else signal?.addEventListener("abort", leave, { once: true });
    pending++;
    try {
      given = await raceSignal(Promise.resolve(answer), deadline.signal);
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      return error === LATE ? onUnknown("timeout") : onUnknown("failed", error);
    } finally {
      pending--;
      timer[Symbol.dispose]();
      signal?.removeEventListener("abort", leave);
    }
    judge(given);
  };

  return (principal, signal) => {
    if (pending >= maxPending) {
      throw new KeysUnavailableError("ERR_TOO_MANY_PENDING", "Too many answers about revoked tokens are waited for");
    }
    const query = toQuery(principal);
    const deadline = spare ?? createLazyAbort();
    spare = undefined;
    let answer: unknown;
    try {
      answer = revocation.isRevoked(query, deadline.options);
    } catch (error) {
      onUnknown("failed", error);
      return undefined;
    }
    if (typeof answer !== "boolean") return waitFor(answer, deadline.take(), signal);
    if (!deadline.isTaken) spare = deadline;
    judge(answer);
    return undefined;
  };
}

const LATE = new Error("The answer came too late");

function toQuery({ issuer, kid, subject, claims }: Principal): RevocationQuery {
  const jti = readClaim(claims, "jti");
  const issuedAt = readClaim(claims, "iat");
  // RFC 7519 section 4.1.7: a text. Anything else could not be found under the name by which it was revoked.
  if (jti !== undefined && typeof jti !== "string") {
    throw new TokenRejectedError("ERR_TOKEN_CLAIMS", 'The token\'s "jti" is not a text');
  }
  return { issuer, kid, jti, subject, issuedAt: typeof issuedAt === "number" ? issuedAt : undefined };
}
