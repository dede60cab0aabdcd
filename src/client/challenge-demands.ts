import type { AuthChallenge } from "./auth-challenges.js";
import { isServerUrl } from "./server-url.js";

/** How a server wants the user authenticated. */
export interface StepUpDemand {
  /** Authentication contexts, one of which it asks for, the preferred one first; frozen. */
  readonly acrValues?: readonly string[];
  /** How long ago the user may have authenticated, in whole seconds. */
  readonly maxAgeSeconds?: number;
}

const MOST_ACR_VALUES = 16;
// A text of RFC 6749 appendix A without spaces, as long as anybody's name of a context.
const ACR_VALUE = /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/;
/** Up to 31 years: what is longer asks for nothing. */
const MAX_AGE = /^(?:0|[1-9]\d{0,8})$/;

/**
 * Reads what a challenge with `insufficient_user_authentication` asks for. What is not of the right form counts as absent.
 *
 * Spec: RFC 9470 section 3.
 */
export function readStepUp(challenges: readonly AuthChallenge[]): StepUpDemand {
  const challenge = challenges.find((entry) => entry.get("error") === "insufficient_user_authentication");
  const acrValues = challenge?.get("acr_values")?.split(" ") ?? [];
  const areValid = acrValues.length <= MOST_ACR_VALUES && acrValues.every((value) => ACR_VALUE.test(value));
  const maxAge = challenge?.get("max_age") ?? "";
  return {
    ...(areValid && acrValues.length > 0 && { acrValues: Object.freeze(acrValues) }),
    ...(MAX_AGE.test(maxAge) && { maxAgeSeconds: Number(maxAge) }),
  };
}

/**
 * Reads the URL of a service's metadata; undefined when no challenge has one that may be asked.
 *
 * Spec: RFC 9728 section 5.1.
 */
export function readResourceMetadata(challenges: readonly AuthChallenge[]): string | undefined {
  return challenges
    .map((challenge) => challenge.get("resource_metadata"))
    .find((url) => url !== undefined && isServerUrl(url, true));
}
