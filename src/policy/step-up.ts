import { StepUpRequiredError } from "../errors.js";
import type { Clock } from "../lib/clock.js";
import { readClaim } from "../token/claims.js";
import type { Principal } from "../token/principal.js";
import type { AccessPolicy } from "./access-policy.js";

/** The present, and how far clocks may be apart. */
export interface StepUpTime {
  readonly clock: Pick<Clock, "nowMs">;
  readonly toleranceMs: number;
}

/**
 * Prepares asking how and when the subject of a token authenticated.
 *
 * Spec: RFC 9470 section 3; OpenID Connect Core section 2 ("acr", "auth_time").
 *
 * @returns What throws {@link StepUpRequiredError} with all that the policy demands; undefined when it demands nothing.
 */
export function createStepUpCheck(
  { acrValues, maxAgeSeconds }: AccessPolicy,
  { clock, toleranceMs }: StepUpTime,
): ((principal: Principal) => void) | undefined {
  if (acrValues === undefined && maxAgeSeconds === undefined) return undefined;
  const isFresh = (authTime: unknown, maxAgeMs: number): boolean => {
    if (typeof authTime !== "number" || !Number.isFinite(authTime)) return false;
    const ageMs = clock.nowMs() - authTime * 1_000;
    // A time in the future, as milliseconds are when read as seconds, would stay fresh for ever.
    return ageMs <= maxAgeMs + toleranceMs && ageMs >= -toleranceMs;
  };
  return ({ claims }) => {
    const acr = readClaim(claims, "acr");
    if (
      (acrValues !== undefined && !(typeof acr === "string" && acrValues.includes(acr))) ||
      (maxAgeSeconds !== undefined && !isFresh(readClaim(claims, "auth_time"), maxAgeSeconds * 1_000))
    ) {
      throw new StepUpRequiredError("The subject has to authenticate again", { acrValues, maxAgeSeconds });
    }
  };
}
