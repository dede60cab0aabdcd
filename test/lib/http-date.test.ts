import { describe, expect, it } from "vitest";
import { parseHttpDateMs } from "../../src/lib/http-date.js";

const NOW_MS = Date.UTC(2026, 10, 6, 8, 49, 37);

describe("parseHttpDateMs()", () => {
  it.each(["Fri, 06 Nov 2026 08:49:37 GMT", "Friday, 06-Nov-26 08:49:37 GMT", "Fri Nov  6 08:49:37 2026"])(
    "reads %s",
    (text) => {
      expect(parseHttpDateMs(text, NOW_MS)).toBe(NOW_MS);
    },
  );

  it("takes a year of two digits that seems more than 50 years ahead for one past", () => {
    expect(parseHttpDateMs("Friday, 06-Nov-76 08:49:37 GMT", NOW_MS)).toBe(Date.UTC(2076, 10, 6, 8, 49, 37));
    expect(parseHttpDateMs("Sunday, 06-Nov-77 08:49:37 GMT", NOW_MS)).toBe(Date.UTC(1977, 10, 6, 8, 49, 37));
  });

  it.each([
    "",
    "tomorrow",
    "2026-11-06T08:49:37Z",
    "Fri, 06 Nov 2026 08:49:37",
    "Fri, 06 Nov 2026 08:49:37 +0100",
    "Tue, 31 Feb 2026 00:00:00 GMT",
    "Fri, 06 Nix 2026 08:49:37 GMT",
    "Fri, 06 Nov 2026 24:00:00 GMT",
  ])("reads no time from %j", (text) => {
    expect(parseHttpDateMs(text, NOW_MS)).toBeNaN();
  });
});
