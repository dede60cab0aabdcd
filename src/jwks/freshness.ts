/** How long a response says that it may be used, and the bounds that this is held to. Milliseconds. */
export interface TtlBounds {
  /** At least this long. */
  readonly minTtlMs: number;
  /** At most this long. */
  readonly maxTtlMs: number;
  /** When the response does not say. */
  readonly fallbackTtlMs: number;
}

// Digits only; the quoted form is tolerated, as RFC 9111 section 5.2 recommends.
const MAX_AGE = /^max-age\s*=\s*"?(\d+)"?$/;
const NOT_REUSABLE = /^no-(store|cache)(\s*=|$)/;
// RFC 9111 section 1.2.2: what is larger counts as this. Without it, digits enough make Infinity.
const LONGEST_SECONDS = 2 ** 31;

/**
 * How long a response is fresh, counted from the moment the request was sent.
 *
 * What the issuer says is a wish: too short would let it be asked at every call, too long would keep a withdrawn key
 * trusted. Of contradicting directives the shortest wins.
 *
 * Spec: RFC 9111 sections 4.2.1, 5.1 and 5.2.2.
 *
 * @returns Milliseconds between `minTtlMs` and `maxTtlMs`.
 */
export function readTtlMs(headers: Headers, { minTtlMs, maxTtlMs, fallbackTtlMs }: TtlBounds): number {
  const maxAgeMs = readMaxAgeMs(headers.get("cache-control") ?? "");
  const ttlMs = maxAgeMs === undefined ? fallbackTtlMs : maxAgeMs - readAgeMs(headers.get("age") ?? "");
  return Math.min(maxTtlMs, Math.max(minTtlMs, ttlMs));
}

function readMaxAgeMs(cacheControl: string): number | undefined {
  let shortestMs: number | undefined;
  for (const part of cacheControl.split(",")) {
    const directive = part.trim().toLowerCase();
    const seconds = NOT_REUSABLE.test(directive) ? "0" : MAX_AGE.exec(directive)?.[1];
    if (seconds !== undefined) shortestMs = Math.min(shortestMs ?? Number.POSITIVE_INFINITY, toMs(seconds));
  }
  return shortestMs;
}

function readAgeMs(age: string): number {
  return /^\d+$/.test(age) ? toMs(age) : 0;
}

function toMs(seconds: string): number {
  return Math.min(Number(seconds), LONGEST_SECONDS) * 1_000;
}
