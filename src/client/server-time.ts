import type { Clock } from "../lib/clock.js";

/** What is known of a server's clock. */
export interface ServerTime {
  /** Learns from an answer that was just received. Gives the server's time when it says, in milliseconds since the epoch. */
  note(headers: Headers): number | undefined;
  /** By how much the server's clock is ahead of this machine's, in milliseconds; 0 until it is known. */
  readonly aheadMs: number;
  /** The present by the server's clock, in milliseconds since the epoch. */
  nowMs(): number;
}

/** A clock further away than this is not believed: it is broken, or would have us sign for a time far ahead. */
const LARGEST_DIFFERENCE_MS = 60 * 60 * 1_000;

const HTTP_DATE = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

/**
 * Creates an estimate of a server's clock from the "date" of its answers, so that what is signed for it is valid there
 * though the clock of this machine is wrong. The latest answer counts, to the second.
 *
 * Spec: RFC 9110 sections 6.6.1 and 5.6.7.
 */
export function createServerTime(clock: Clock): ServerTime {
  let aheadMs = 0;
  return {
    note(headers) {
      const date = headers.get("date") ?? "";
      const serverMs = HTTP_DATE.test(date) ? Date.parse(date) : Number.NaN;
      const differenceMs = serverMs - clock.nowMs();
      if (!(Math.abs(differenceMs) <= LARGEST_DIFFERENCE_MS)) return undefined;
      aheadMs = differenceMs;
      return serverMs;
    },
    get aheadMs() {
      return aheadMs;
    },
    nowMs: () => clock.nowMs() + aheadMs,
  };
}
