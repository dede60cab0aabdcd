import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BackoffShape, createBackoff } from "../../src/lib/backoff.js";

const SHAPE = { retryMinDelayMs: 250, retryMaxDelayMs: 2_000 };

function take(shape: BackoffShape, count: number): number[] {
  const next = createBackoff(shape);
  return Array.from({ length: count }, next);
}

describe("createBackoff()", () => {
  it("doubles each wait up to the greatest, without jitter", () => {
    expect(take({ ...SHAPE, retryJitter: "none" }, 6)).toEqual([250, 500, 1_000, 2_000, 2_000, 2_000]);
  });

  it("starts each series anew", () => {
    const series = { ...SHAPE, retryJitter: "none" } as const;
    expect(take(series, 2)).toEqual(take(series, 2));
  });

  it("H6: spreads each wait over all that is below the doubled one, with full jitter", () => {
    const bounds = [250, 500, 1_000, 2_000, 2_000];
    const series = Array.from({ length: 400 }, () => take({ ...SHAPE, retryJitter: "full" }, bounds.length));
    for (const [step, bound] of bounds.entries()) {
      const waits = series.map((waited) => waited[step] ?? Number.NaN);
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...waits)).toBeLessThan(bound);
      // 400 waits that all miss a tenth of the range: once in 10^18 runs.
      expect(Math.min(...waits)).toBeLessThan(bound / 10);
      expect(Math.max(...waits)).toBeGreaterThan((bound * 9) / 10);
    }
  });

  it("H6: spreads waits that grow, with decorrelated jitter", () => {
    const series = Array.from({ length: 400 }, () => take({ ...SHAPE, retryJitter: "decorrelated" }, 3));
    const middles = [0, 1, 2].map((step) => {
      const waits = series.map((waited) => waited[step] ?? Number.NaN).sort((one, other) => one - other);
      expect(new Set(waits).size).toBeGreaterThan(100);
      return waits[200] ?? Number.NaN;
    });
    expect(middles).toEqual([...middles].sort((one, other) => one - other));
    // Unlike with full jitter, the first step is no bound.
    expect(Math.max(...series.map(([first = 0]) => first))).toBeGreaterThan(250);
  });

  it("keeps every wait between 0 and the greatest, however often it is asked", () => {
    const delay = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true }));
    fc.assert(
      fc.property(
        fc.constantFrom("none", "full", "decorrelated"),
        delay,
        delay,
        (retryJitter, retryMinDelayMs, retryMaxDelayMs) => {
          for (const waitMs of take({ retryJitter, retryMinDelayMs, retryMaxDelayMs }, 1_100)) {
            expect(waitMs >= 0 && waitMs <= retryMaxDelayMs).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
