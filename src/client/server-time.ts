import type { Clock } from "../lib/clock.js";
import { parseHttpDateMs } from "../lib/http-date.js";

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

/** No cache keeps an answer for longer that is of use here. */
const AGE = /^\d{1,5}$/;

/**
 * Creates an estimate of a server's clock from the "date" of its answers, so that what is signed for it is valid there
 * though the clock of this machine is wrong. The latest answer counts, to the second. One that a cache kept is as much
 * older as its "age" says.
 *
 * Spec: RFC 9110 section 6.6.1, RFC 9111 section 5.1.
 */
export function createServerTime(clock: Clock): ServerTime {
  let aheadMs = 0;
  return {
    note(headers) {
      const localMs = clock.nowMs();
      const datedMs = parseHttpDateMs(headers.get("date") ?? "", localMs);
      const age = headers.get("age") ?? "0";
      const serverMs = AGE.test(age) ? datedMs + Number(age) * 1_000 : Number.NaN;
      const differenceMs = serverMs - localMs;
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
