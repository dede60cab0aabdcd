import type { AuthError } from "../errors.js";
import type { HeldToken } from "./held-token.js";

/** What is known about the token of one cache key. Instants are on monotonic time. */
export interface TokenSlot {
  /** The cache key. */
  readonly key: string;
  /** Audience of the request that the slot was made for: what events name it by. */
  readonly audience: string;
  /** The token in hand; may have expired. */
  held: HeldToken | undefined;
  /** Whether a server has rejected the token in hand. */
  rejected: boolean;
  /** Whether a request to the source is under way. */
  refreshing: boolean;
  /** When a rejection last caused a request. */
  forcedAtMs: number;
  /** Failures since the last success. */
  failures: number;
  /** What the source failed with last. */
  lastError: AuthError | undefined;
  /** While there are failures, the source is left alone until then. */
  retryAtMs: number;
}

/** Creates a slot without a token. */
export function createTokenSlot(key: string, audience: string): TokenSlot {
  return {
    key,
    audience,
    held: undefined,
    rejected: false,
    refreshing: false,
    forcedAtMs: Number.NEGATIVE_INFINITY,
    failures: 0,
    lastError: undefined,
    retryAtMs: 0,
  };
}
