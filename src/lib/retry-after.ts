import { parseHttpDateMs } from "./http-date.js";

const SHORTEST_MS = 1_000;
const LONGEST_MS = 60 * 60 * 1_000;

/**
 * Reads how long a server asks to be left alone.
 *
 * It is a wish of somebody who is in trouble, or wants us to be: too short would let us come back at once, too long would
 * keep us away for good.
 *
 * Spec: RFC 9110 section 10.2.3.
 *
 * @param nowMs - Wall-clock time that a date counts from, in milliseconds since the epoch.
 * @returns Milliseconds between 1 second and 1 hour; undefined when the answer does not say, or not in a form that the
 * standard knows.
 */
export function readRetryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const text = headers.get("retry-after") ?? "";
  const delayMs = /^\d+$/.test(text) ? Number(text) * 1_000 : parseHttpDateMs(text, nowMs) - nowMs;
  return Number.isNaN(delayMs) ? undefined : Math.min(LONGEST_MS, Math.max(SHORTEST_MS, delayMs));
}
