import CachePolicy from "http-cache-semantics";

/** How long a response says that it may be used, and the bounds that this is held to. Milliseconds. */
export interface TtlBounds {
  /** At least this long. */
  readonly minTtlMs: number;
  /** At most this long. */
  readonly maxTtlMs: number;
  /** When the response does not say. */
  readonly fallbackTtlMs: number;
}

// What decides on freshness; the rest of a response's headers is nobody's business after it was read.
const NAMES = ["cache-control", "pragma", "expires", "date", "age", "vary"] as const;
// True of one answer only: an answer that confirms an older one brings its own.
const OF_THE_ANSWER: ReadonlySet<string> = new Set(["date", "age"]);
// RFC 9111 section 1.2.2: what stands for all that is greater.
const MOST_SECONDS = 2 ** 31;
const LIMITING = /(?:^|,)\s*(?:max-age|no-cache|no-store)\s*(?:[=,]|$)/;

/** The headers of a response that say how long it is fresh, by lower-case name. */
export type FreshnessHeaders = Readonly<Record<string, string>>;

/**
 * Takes the headers that {@link readTtlMs} needs.
 *
 * @param confirmed - Those of the response that this one, a 304, confirms: they hold on where it says nothing.
 *
 * Spec: RFC 9111 section 4.3.4.
 */
export function readFreshnessHeaders(headers: Headers, confirmed: FreshnessHeaders = {}): FreshnessHeaders {
  const read: Record<string, string> = {};
  for (const name of NAMES) {
    const value = headers.get(name) ?? (OF_THE_ANSWER.has(name) ? undefined : confirmed[name]);
    if (value !== undefined) read[name] = normalise(name, value);
  }
  return read;
}

/**
 * How long a response is fresh, counted from the moment the request was sent.
 *
 * What the issuer says is a wish: too short would let it be asked at every call, too long would keep a withdrawn key
 * trusted.
 *
 * Spec: RFC 9111 sections 4.2.1, 5.1, 5.2.2 and 5.3.
 *
 * @param nowMs - The wall clock, for "Expires" without "Date".
 * @returns Milliseconds between `minTtlMs` and `maxTtlMs`.
 */
export function readTtlMs(
  headers: FreshnessHeaders,
  { minTtlMs, maxTtlMs, fallbackTtlMs }: TtlBounds,
  nowMs: number,
): number {
  const ttlMs = saysHowLong(headers) ? readLifetimeMs(headers, nowMs) : fallbackTtlMs;
  return Math.min(maxTtlMs, Math.max(minTtlMs, ttlMs));
}

function saysHowLong({ "cache-control": cacheControl, pragma, expires, vary }: FreshnessHeaders): boolean {
  if (cacheControl !== undefined && LIMITING.test(cacheControl)) return true;
  if (expires !== undefined || vary === "*") return true;
  return cacheControl === undefined && pragma?.includes("no-cache") === true;
}

function readLifetimeMs(headers: FreshnessHeaders, nowMs: number): number {
  // "Expires" is meant relative to "Date"; where there is none the package would ask the machine's clock.
  const isDated = !Number.isNaN(Date.parse(headers["date"] ?? ""));
  const dated = isDated ? headers : { ...headers, date: new Date(nowMs).toUTCString() };
  // A verifier is a private cache: "s-maxage" is not for it.
  const policy = new CachePolicy({ headers: {} }, { status: 200, headers: dated }, { shared: false });
  return (policy.maxAge() - Math.floor(policy.age())) * 1_000;
}

/** Brings a header into the one form that the package reads as it is meant. */
function normalise(name: (typeof NAMES)[number], value: string): string {
  switch (name) {
    case "cache-control":
      return normaliseDirectives(value);
    case "pragma":
      return value.toLowerCase();
    case "age":
      return normaliseAge(value);
    default:
      return value.trim();
  }
}

/** Names of directives in lower case, and of a repeated `max-age` the shortest: the package takes the last as spelt. */
function normaliseDirectives(cacheControl: string): string {
  const directives = cacheControl.split(",").map((directive) => directive.trim().toLowerCase());
  const isMaxAge = (directive: string): boolean => directive.split("=", 1)[0]?.trim() === "max-age";
  const others = directives.filter((directive) => !isMaxAge(directive));
  const ages = directives.filter(isMaxAge).map(readSeconds);
  return (ages.length === 0 ? others : [...others, `max-age=${Math.min(...ages)}`]).join(", ");
}

/** What is no number of seconds is the shortest there is. Spec: RFC 9111 section 4.2.1. */
function readSeconds(directive: string): number {
  const seconds = Number.parseInt(directive.slice(directive.indexOf("=") + 1).replaceAll('"', ""), 10);
  return Math.min(MOST_SECONDS, Math.max(0, seconds || 0));
}

/** An age that is too great for a number is great; one that is no number says nothing. Spec: RFC 9111 section 1.2.2. */
function normaliseAge(age: string): string {
  const first = age.split(",", 1)[0]?.trim() ?? "";
  return /^\d+$/.test(first) ? `${Math.min(MOST_SECONDS, Number(first))}` : "0";
}
