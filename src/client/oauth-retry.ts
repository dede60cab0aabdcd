import { TokenSourceError } from "../errors.js";
import { retry } from "../lib/retry.js";
import type { OAuthSettings } from "./oauth-options.js";

const SHAPE = { retryMinDelayMs: 250, retryMaxDelayMs: 4_000, retryJitter: "full" } as const;

/** By how much a wait that a server asks for is prolonged at most, at random. */
const SPREAD_MS = 500;

/** Sends a request, and again while it fails in a way that may pass, as often as `settings` permit. */
export function retryOAuth<T>(request: () => Promise<T>, settings: OAuthSettings, signal: AbortSignal): Promise<T> {
  return retry(request, retryDelayMs, { ...SHAPE, ...settings }, signal);
}

/** Tells whether an authorization server has refused a request: sent again as it is, it would be refused again. */
export function isRefusal(error: unknown): boolean {
  return error instanceof TokenSourceError && error.code === "ERR_TOKEN_SOURCE_REFUSED";
}

function retryDelayMs(error: unknown): number | undefined {
  const mayPass = error instanceof TokenSourceError && error.code === "ERR_TOKEN_SOURCE_UNAVAILABLE";
  if (!mayPass) return undefined;
  // All who were sent away together are told the same time.
  return error.retryAfterMs === undefined ? 0 : error.retryAfterMs + Math.random() * SPREAD_MS;
}
