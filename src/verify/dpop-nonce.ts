import { createHmac, timingSafeEqual } from "node:crypto";
import { decodeBase64url, encodeBase64url } from "../lib/base64url.js";
import type { Clock } from "../lib/clock.js";

/** The nonces of a server, or of several with one secret. Nothing is kept per nonce. */
export interface DpopNonces {
  /** Gives the nonce of this second. */
  issue(): string;
  /** Tells whether a nonce was issued here, and not too long ago. */
  isFresh(nonce: unknown): boolean;
}

/** Options of {@link createDpopNonces}. */
export interface DpopNoncesOptions {
  /** Whoever knows it can make nonces. */
  readonly secret: Uint8Array;
  /** How long a nonce is good, in milliseconds. */
  readonly lifetimeMs: number;
  /** How far the clocks of several servers may be apart, in milliseconds. */
  readonly toleranceMs: number;
  /** Time. */
  readonly clock: Clock;
}

// Seconds since the epoch, and behind them the first half of their HMAC: a forger has one chance in 2^128 per call.
const TIME_BYTES = 6;
const MAC_BYTES = 16;
const NONCE_TEXT = 30;
const PURPOSE = "latchkey dpop nonce ";

/**
 * Creates the {@link DpopNonces} of a server: each says when it was made and proves that it was made here. Nobody can
 * make tomorrow's today, so that a proof with a fresh nonce was signed a short time ago, whatever its "iat" says.
 *
 * Spec: RFC 9449 sections 8 and 9.
 */
export function createDpopNonces({ secret, lifetimeMs, toleranceMs, clock }: DpopNoncesOptions): DpopNonces {
  const sign = (time: Uint8Array): Buffer =>
    createHmac("sha256", secret).update(PURPOSE).update(time).digest().subarray(0, MAC_BYTES);
  let newest = { second: Number.NaN, nonce: "" };
  return {
    issue() {
      const second = Math.floor(clock.nowMs() / 1_000);
      if (second === newest.second) return newest.nonce;
      const time = Buffer.alloc(TIME_BYTES);
      time.writeUIntBE(second, 0, TIME_BYTES);
      newest = { second, nonce: encodeBase64url(Buffer.concat([time, sign(time)])) };
      return newest.nonce;
    },
    isFresh(nonce) {
      if (typeof nonce !== "string" || nonce.length !== NONCE_TEXT) return false;
      const bytes = decodeBase64url(nonce);
      if (bytes === undefined) return false;
      const time = bytes.subarray(0, TIME_BYTES);
      if (!timingSafeEqual(bytes.subarray(TIME_BYTES), sign(time))) return false;
      const issuedAtMs = Buffer.from(time).readUIntBE(0, TIME_BYTES) * 1_000;
      const nowMs = clock.nowMs();
      return nowMs >= issuedAtMs - toleranceMs && nowMs < issuedAtMs + lifetimeMs + toleranceMs;
    },
  };
}
