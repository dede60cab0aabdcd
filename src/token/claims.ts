import { TokenRejectedError } from "../errors.js";

/** Claims of a token, as parsed. */
export type Claims = Readonly<Record<string, unknown>>;

/** Limits that the time claims of a token are held against. */
export interface TimeLimits {
  /** The present, in milliseconds since the epoch. */
  readonly nowMs: number;
  /** How far two clocks may be apart, in milliseconds. */
  readonly toleranceMs: number;
  /** Longest accepted time from "iat" (or the present, without one) to "exp", in milliseconds. */
  readonly maxLifetimeMs: number;
}

/** When a token is valid, in milliseconds since the epoch and without tolerance. */
export interface TimeWindow {
  /** "exp". */
  readonly expiresAtMs: number;
  /** "nbf" or "iat", whichever is later; `-Infinity` when there is neither. */
  readonly notBeforeMs: number;
}

/**
 * Reads a claim of the token itself, never one inherited from a prototype.
 *
 * @returns The value; undefined when the token has no such claim.
 */
export function readClaim(claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

/**
 * Reads a claim by its name or, when no claim has that name, by the path that its dots make: `realm_access.roles`.
 *
 * A name may contain dots itself, as `https://idp.example/roles` does. Each step goes to a member of the object itself,
 * never to one inherited, and never into an array.
 *
 * @returns The value; undefined when there is none.
 */
export function readClaimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) {
      return undefined;
    }
    value = (value as Claims)[name];
  }
  return value;
}

/**
 * Checks "exp", "nbf" and "iat". A token is accepted while `now < exp + tolerance` and `now >= nbf - tolerance`.
 *
 * Spec: RFC 7519 sections 4.1.4 to 4.1.6; RFC 9068 section 2.2 makes "exp" required.
 *
 * @returns The window in which the token is valid, for checks to come.
 * @throws TokenRejectedError `ERR_TOKEN_CLAIMS` when "exp" is absent or a time is not a finite number,
 * `ERR_TOKEN_EXPIRED`, `ERR_TOKEN_NOT_YET_VALID` (also for an "iat" in the future), or `ERR_TOKEN_LIFETIME`.
 */
export function assertTimes(claims: Claims, limits: TimeLimits): TimeWindow {
  const expiresAtMs = readInstantMs(claims, "exp");
  const issuedAtMs = readInstantMs(claims, "iat");
  if (expiresAtMs === undefined) throw new TokenRejectedError("ERR_TOKEN_CLAIMS", 'The token has no "exp"');
  // What was issued in the future is not valid yet either.
  const notBeforeMs = Math.max(readInstantMs(claims, "nbf") ?? -Infinity, issuedAtMs ?? -Infinity);
  const window = { expiresAtMs, notBeforeMs };
  assertInWindow(window, limits);
  if (expiresAtMs - (issuedAtMs ?? limits.nowMs) > limits.maxLifetimeMs) {
    throw new TokenRejectedError("ERR_TOKEN_LIFETIME", "The token lives longer than this issuer's tokens may");
  }
  return window;
}

/**
 * Checks the present against a window that {@link assertTimes} gave.
 *
 * @throws TokenRejectedError `ERR_TOKEN_EXPIRED` or `ERR_TOKEN_NOT_YET_VALID`.
 */
export function assertInWindow(window: TimeWindow, limits: Pick<TimeLimits, "nowMs" | "toleranceMs">): void {
  if (limits.nowMs >= window.expiresAtMs + limits.toleranceMs) {
    throw new TokenRejectedError("ERR_TOKEN_EXPIRED", "The token has expired");
  }
  if (limits.nowMs < window.notBeforeMs - limits.toleranceMs) {
    throw new TokenRejectedError("ERR_TOKEN_NOT_YET_VALID", "The token is not valid yet");
  }
}

/**
 * Checks "aud": a string or an array of strings, one of which is accepted, compared byte by byte.
 *
 * Spec: RFC 7519 section 4.1.3.
 *
 * @param accepted - Audiences of this service; null: any audience or none.
 * @returns "aud" as an array; empty when it is absent and need not be there.
 * @throws TokenRejectedError `ERR_TOKEN_AUDIENCE`.
 */
export function assertAudience(claims: Claims, accepted: ReadonlySet<string> | null): readonly string[] {
  const claim = readClaim(claims, "aud");
  const audience = typeof claim === "string" ? [claim] : claim;
  if (audience === undefined && accepted === null) return [];
  if (!isStrings(audience) || (accepted !== null && !audience.some((entry) => accepted.has(entry)))) {
    throw new TokenRejectedError("ERR_TOKEN_AUDIENCE", "The token is not for this service");
  }
  return audience;
}

/** Tells whether a value is an array of strings. An empty array is one. */
export function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}

function readInstantMs(claims: Claims, name: string): number | undefined {
  if (!Object.hasOwn(claims, name)) return undefined;
  const seconds = claims[name];
  // A value of another type must not count as absent: the check would be skipped.
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) {
    throw new TokenRejectedError("ERR_TOKEN_CLAIMS", `The token's "${name}" is not a finite number`);
  }
  return seconds * 1_000;
}
