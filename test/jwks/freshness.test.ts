import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readTtlMs } from "../../src/jwks/freshness.js";

const bounds = { minTtlMs: 30_000, maxTtlMs: 3_600_000, fallbackTtlMs: 600_000 };

function ttlOf(cacheControl: string | undefined, age?: string): number {
  const headers = new Headers(cacheControl === undefined ? {} : { "cache-control": cacheControl });
  if (age !== undefined) headers.set("age", age);
  return readTtlMs(headers, bounds);
}

describe("readTtlMs()", () => {
  it.each([
    [undefined, undefined, 600_000],
    ["max-age=120", undefined, 120_000],
    ["public, Max-Age=120, must-revalidate", undefined, 120_000],
    ['max-age="120"', undefined, 120_000],
    ["max-age=120", "50", 70_000],
    ["max-age=120", "500", 30_000],
    ["max-age=120", "-5", 120_000],
    ["max-age=120", "soon", 120_000],
    ["max-age=1", undefined, 30_000],
    ["max-age=0", undefined, 30_000],
    ["no-store", undefined, 30_000],
    ["max-age=600, no-cache", undefined, 30_000],
    ["max-age=315360000", undefined, 3_600_000],
    [`max-age=${"9".repeat(400)}`, "9".repeat(400), 30_000],
    ["max-age=600, max-age=60", undefined, 60_000],
    ["max-age=-60", undefined, 600_000],
    ["max-age=1e3", undefined, 600_000],
    ["max-age", undefined, 600_000],
    ["s-maxage=60", undefined, 600_000],
    ["x-max-age=60", undefined, 600_000],
  ])("H8: takes %s with an age of %s for %i ms", (cacheControl, age, expected) => {
    expect(ttlOf(cacheControl, age)).toBe(expected);
  });

  it("H8: stays between the bounds whatever the header says", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'max-age=,0123456789 "nostrc') }), (header) => {
        const ttlMs = ttlOf(header);
        expect(ttlMs >= bounds.minTtlMs && ttlMs <= bounds.maxTtlMs).toBe(true);
      }),
    );
  });
});
