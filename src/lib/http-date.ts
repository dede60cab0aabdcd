const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const TIME = "(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)";
const IMF_FIXDATE = new RegExp(`^[A-Z][a-z]{2}, (?<day>\\d\\d) (?<month>[A-Z][a-z]{2}) (?<year>\\d{4}) ${TIME} GMT$`);
const RFC_850 = new RegExp(`^[A-Z][a-z]{5,8}, (?<day>\\d\\d)-(?<month>[A-Z][a-z]{2})-(?<year>\\d\\d) ${TIME} GMT$`);
const ASCTIME = new RegExp(`^[A-Z][a-z]{2} (?<month>[A-Z][a-z]{2}) (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`);

/**
 * Reads an HTTP date in one of its three forms. `Date.parse` takes too much, and local time besides.
 *
 * Spec: RFC 9110 section 5.6.7.
 *
 * @param nowMs - The present, which a year of two digits is near, in milliseconds since the epoch.
 * @returns Milliseconds since the epoch; NaN for any other text.
 */
export function parseHttpDateMs(text: string, nowMs: number): number {
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
