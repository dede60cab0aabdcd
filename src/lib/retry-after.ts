const SHORTEST_MS = 1_000;
const LONGEST_MS = 60 * 60 * 1_000;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const TIME = "(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)";
const IMF_FIXDATE = new RegExp(`^[A-Z][a-z]{2}, (?<day>\\d\\d) (?<month>[A-Z][a-z]{2}) (?<year>\\d{4}) ${TIME} GMT$`);
const RFC_850 = new RegExp(`^[A-Z][a-z]{5,8}, (?<day>\\d\\d)-(?<month>[A-Z][a-z]{2})-(?<year>\\d\\d) ${TIME} GMT$`);
const ASCTIME = new RegExp(`^[A-Z][a-z]{2} (?<month>[A-Z][a-z]{2}) (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`);

/**
 * Reads how long a server asks to be left alone.
 *
 * It is a wish of somebody who is in trouble, or wants us to be: too short would let us come back at once, too long would
 * keep us away for good.
 *
 * Spec: RFC 9110 sections 10.2.3 and 5.6.7.
 *
 * @param nowMs - Wall-clock time that a date counts from, in milliseconds since the epoch.
 * @returns Milliseconds between 1 second and 1 hour; undefined when the answer does not say, or not in a form that the
 * standard knows.
 */
export function readRetryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const text = headers.get("retry-after") ?? "";
  const delayMs = /^\d+$/.test(text) ? Number(text) * 1_000 : toInstantMs(text, nowMs) - nowMs;
  return Number.isNaN(delayMs) ? undefined : Math.min(LONGEST_MS, Math.max(SHORTEST_MS, delayMs));
}

/** The instant that an HTTP date names; NaN for any other text. `Date.parse` takes too much, and local time besides. */
function toInstantMs(text: string, nowMs: number): number {
  const fields = (IMF_FIXDATE.exec(text) ?? RFC_850.exec(text) ?? ASCTIME.exec(text))?.groups;
  if (fields === undefined) return Number.NaN;
  const [day, hour, minute, second] = [fields["day"], fields["hour"], fields["minute"], fields["second"]].map(Number);
  const month = MONTHS.indexOf(fields["month"] ?? "");
  const year = toYear(fields["year"] ?? "", nowMs);
  const instantMs = Date.UTC(year, month, day, hour, minute, second);
  // Date.UTC carries over: a 31st of February would be a day in March. A leap second has no place of its own.
  const isReal = new Date(Date.UTC(year, month, day)).getUTCDate() === day && month >= 0;
  return isReal && Number(hour) < 24 && Number(minute) < 60 && Number(second) <= 60 ? instantMs : Number.NaN;
}

/** RFC 9110 section 5.6.7: a year of two digits that seems more than 50 years ahead is the last one past. */
function toYear(text: string, nowMs: number): number {
  if (text.length === 4) return Number(text);
  const thisYear = new Date(nowMs).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + Number(text);
  return year > thisYear + 50 ? year - 100 : year;
}
