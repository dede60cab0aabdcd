import type { AuthErrorCode } from "../errors.js";

/** Why a source was asked: before its token ends, because there is no valid one, or because a server rejected it. */
export type RefreshOccasion = "background" | "needed" | "rejected";

/** What happened to a token in a cache. It is told by its audience and its length, never by its value. */
export type TokenEvent =
  /** The source gave a token. */
  | {
      readonly type: "refreshed";
      readonly audience: string;
      readonly occasion: RefreshOccasion;
      /** Characters of the token. */
      readonly tokenLength: number;
      /** When it expires, in milliseconds since the epoch. */
      readonly expiresAtMs: number;
    }
  /** The source gave none; the one in hand stays. */
  | {
      readonly type: "refresh_failed";
      readonly audience: string;
      readonly occasion: RefreshOccasion;
      readonly code: AuthErrorCode;
      /** Failures since the last success, this one included. */
      readonly consecutiveFailures: number;
      /** How long the source is left alone now, in milliseconds. */
      readonly retryInMs: number;
    }
  /** A server rejected the token in hand. Told once per token. */
  | { readonly type: "rejected"; readonly audience: string }
  /** The token was not used for longest and made room for another. */
  | { readonly type: "evicted"; readonly audience: string };
