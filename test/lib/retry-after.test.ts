import { describe, expect, it } from "vitest";
import { readRetryAfterMs } from "../../src/lib/retry-after.js";

const NOW_MS = Date.UTC(2026, 10, 6, 8, 49, 37);
const read = (text: string): number | undefined => readRetryAfterMs(new Headers({ "retry-after": text }), NOW_MS);

describe("readRetryAfterMs()", () => {
  it.each([
    ["120", 120_000],
    ["0", 1_000],
    ["1", 1_000],
    ["3600", 3_600_000],
    ["3601", 3_600_000],
    ["9".repeat(400), 3_600_000],
    [" 7 ", 7_000],
    ["Fri, 06 Nov 2026 08:50:37 GMT", 60_000],
    ["Friday, 06-Nov-26 08:50:37 GMT", 60_000],
    ["Fri Nov  6 08:50:37 2026", 60_000],
    ["Fri Nov 06 08:50:37 2026", 60_000],
    ["Fri, 06 Nov 2026 08:48:37 GMT", 1_000],
    ["Sun, 06 Nov 1994 08:49:37 GMT", 1_000],
    ["Sunday, 06-Nov-94 08:49:37 GMT", 1_000],
    ["Sunday, 06-Nov-30 08:49:37 GMT", 3_600_000],
    ["Mon, 29 Feb 2027 00:00:00 GMT", undefined],
    ["Tue, 29 Feb 2028 00:00:00 GMT", 3_600_000],
    ["Fri, 06 Nov 2026 08:49:60 GMT", 23_000],
    ["Fri, 06 Nov 2026 24:00:00 GMT", undefined],
    ["Fri, 06 Nov 2026 08:60:00 GMT", undefined],
    ["Fri, 06 Nix 2026 08:50:37 GMT", undefined],
    ["Fri, 06 Nov 2026 08:50:37", undefined],
    ["Fri, 06 Nov 2026 08:50:37 +0100", undefined],
    ["2026-11-06T08:50:37Z", undefined],
    ["2026", 2_026_000],
    ["-5", undefined],
    ["+5", undefined],
    ["1.5", undefined],
    ["1e3", undefined],
    ["0x10", undefined],
    ["60, 120", undefined],
    ["3600abc", undefined],
    ["soon", undefined],
    ["", undefined],
  ])("H6: takes %j for %s ms", (text, expected) => {
    expect(read(text)).toBe(expected);
  });

  it("gives nothing without the header", () => {
    expect(readRetryAfterMs(new Headers(), NOW_MS)).toBeUndefined();
  });
});
