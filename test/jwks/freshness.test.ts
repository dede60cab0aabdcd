import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readFreshnessHeaders, readTtlMs } from "../../src/jwks/freshness.js";

const bounds = { minTtlMs: 30_000, maxTtlMs: 3_600_000, fallbackTtlMs: 600_000 };
const [MIN, MAX, FALLBACK] = [30_000, 3_600_000, 600_000];
const NOW_MS = Date.UTC(2031, 4, 6, 7, 8, 9);

const at = (seconds: number): string => new Date(NOW_MS + seconds * 1_000).toUTCString();
const ttlOf = (headers: Readonly<Record<string, string>>): number =>
  readTtlMs(readFreshnessHeaders(new Headers(headers)), bounds, NOW_MS);

describe("readTtlMs()", () => {
  it.each([
    [undefined, undefined, FALLBACK],
    ["", undefined, FALLBACK],
    ["max-age=120", undefined, 120_000],
    ["public, Max-Age=120, must-revalidate", undefined, 120_000],
    ["MAX-AGE=120", undefined, 120_000],
    ['max-age="120"', undefined, 120_000],
    ["max-age = 120", undefined, 120_000],
    ["max-age=120", "50", 70_000],
    ["max-age=120", "500", MIN],
    ["max-age=120", "-5", 120_000],
    ["max-age=120", "soon", 120_000],
    ["max-age=120", "50, 7", 70_000],
    ["max-age=120", "9".repeat(400), MIN],
    [undefined, "50", FALLBACK],
    ["max-age=1", undefined, MIN],
    ["max-age=0", undefined, MIN],
    ["no-store", undefined, MIN],
    ["NO-STORE", undefined, MIN],
    ["no-cache", undefined, MIN],
    ["max-age=600, no-cache", undefined, MIN],
    ["max-age=600, No-Store", undefined, MIN],
    ['no-cache="set-cookie", max-age=600', undefined, MIN],
    ["max-age=315360000", undefined, MAX],
    [`max-age=${"9".repeat(400)}`, undefined, MAX],
    [`max-age=${"9".repeat(400)}`, "9".repeat(400), MIN],
    ["max-age=600, max-age=60", undefined, 60_000],
    ["max-age=60, max-age=600", undefined, 60_000],
    ["max-age=600, Max-Age = 60", undefined, 60_000],
    ["max-age=600, max-age=soon", undefined, MIN],
    ["max-age=-60", undefined, MIN],
    ["max-age=1e999", undefined, MIN],
    ["max-age=soon", undefined, MIN],
    ["max-age", undefined, MIN],
    ["s-maxage=60", undefined, FALLBACK],
    ["s-maxage=60, max-age=120", undefined, 120_000],
    ["x-max-age=60", undefined, FALLBACK],
    ["max-ages=60", undefined, FALLBACK],
    ["private, immutable", undefined, FALLBACK],
  ])("H8: takes %s with an age of %s for %i ms", (cacheControl, age, expected) => {
    expect(ttlOf({ ...(cacheControl !== undefined && { "cache-control": cacheControl }), ...(age && { age }) })).toBe(
      expected,
    );
  });

  it.each([
    ["Expires", { expires: at(120) }, 120_000],
    ["Expires and a Date of another clock", { expires: at(-7_000), date: at(-7_120) }, 120_000],
    ["Expires and a Date that is none", { expires: at(120), date: "soon" }, 120_000],
    ["Expires and Age", { expires: at(120), age: "50" }, 70_000],
    ["Expires in the past", { expires: at(-1) }, MIN],
    ["Expires before Date", { expires: at(120), date: at(130) }, MIN],
    ["Expires in ten years", { expires: at(315_360_000) }, MAX],
    ["Expires that is no date", { expires: "0" }, MIN],
    ["Expires that is nonsense", { expires: "soon" }, MIN],
    ["max-age and a later Expires", { "cache-control": "max-age=60", expires: at(600) }, 60_000],
    ["no-store and a later Expires", { "cache-control": "no-store", expires: at(600) }, MIN],
    ["another directive and Expires", { "cache-control": "public", expires: at(120) }, 120_000],
    ["Date alone", { date: at(-500) }, FALLBACK],
    ["Pragma", { pragma: "no-cache" }, MIN],
    ["Pragma in capitals", { pragma: "No-Cache" }, MIN],
    ["Pragma beside Cache-Control", { pragma: "no-cache", "cache-control": "max-age=120" }, 120_000],
    ["Vary: *", { vary: "*" }, MIN],
    ["Vary: * and max-age", { vary: "*", "cache-control": "max-age=600" }, MIN],
    ["Vary: Origin", { vary: "Origin", "cache-control": "max-age=600" }, 600_000],
    ["Set-Cookie", { "set-cookie": "a=b", "cache-control": "max-age=120" }, 120_000],
  ])("H8: reads %s", (_name, headers, expected) => {
    expect(ttlOf(headers as unknown as Readonly<Record<string, string>>)).toBe(expected);
  });

  it("H8: stays between the bounds whatever the headers say", () => {
    const header = fc.oneof(
      fc.string({ unit: fc.constantFrom(...'max-age=,0123456789 "nostrce') }),
      fc.constantFrom("no-cache", "*", "NaN", "Infinity", "-Infinity", "1e999", at(-1e9), at(1e9)),
    );
    const some = fc.record(
      { "cache-control": header, age: header, expires: header, date: header, pragma: header, vary: header },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(some, (headers) => {
        const ttlMs = ttlOf(headers as Readonly<Record<string, string>>);
        expect(ttlMs >= MIN && ttlMs <= MAX).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ["spaces", " ".repeat(100_000)],
    ["commas", ",".repeat(100_000)],
    ["commas and spaces", ", ".repeat(50_000)],
    ["equals signs", "=".repeat(100_000)],
    ["quotes", `max-age=${'"'.repeat(100_000)}`],
    ["digits", `max-age=${"1".repeat(100_000)}`],
    ["directives", "max-age=1,".repeat(10_000)],
    ["spaces after a name", `no-cache${" ".repeat(100_000)}x`],
  ])("H8: reads 100 KB of %s in a moment", (_name, text) => {
    const startedMs = performance.now();
    for (const name of ["cache-control", "age", "expires", "date", "pragma", "vary"]) {
      // Set as it is: a Headers object would trim it.
      const headers = { get: (asked: string) => (asked === name ? `x${text}x` : null) } as Headers;
      const ttlMs = readTtlMs(readFreshnessHeaders(headers), bounds, NOW_MS);
      expect(ttlMs >= MIN && ttlMs <= MAX).toBe(true);
    }
    // Quadratic work on 100 KB takes seconds.
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });
});

describe("readFreshnessHeaders()", () => {
  const stored = readFreshnessHeaders(
    new Headers({ "cache-control": "max-age=600", age: "50", date: at(-700), expires: at(0), etag: '"v1"' }),
  );

  it("takes what decides on freshness and nothing else", () => {
    expect(Object.keys(stored).sort()).toEqual(["age", "cache-control", "date", "expires"]);
  });

  it("H8: keeps of a confirmed answer what the confirmation does not say, but neither its age nor its date", () => {
    const confirmed = readFreshnessHeaders(new Headers(), stored);
    expect(confirmed).toEqual({ "cache-control": "max-age=600", expires: at(0) });
    expect(readTtlMs(confirmed, bounds, NOW_MS)).toBe(600_000);
  });

  it("H8: takes over what the confirmation says anew", () => {
    const confirmed = readFreshnessHeaders(new Headers({ "cache-control": "max-age=90", age: "10" }), stored);
    expect(readTtlMs(confirmed, bounds, NOW_MS)).toBe(80_000);
  });
});
