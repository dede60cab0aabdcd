import { describe, expect, it } from "vitest";
import { backoffMs, delay } from "../../../src/app/cli/delay.js";

describe("backoffMs()", () => {
  it("stays within a bound that doubles from 250 ms up to 10 s", () => {
    for (const [failures, bound] of [
      [1, 250],
      [2, 500],
      [6, 8_000],
      [7, 10_000],
      [2_000, 10_000],
    ] as const) {
      const waits = Array.from({ length: 200 }, () => backoffMs(failures));
      expect(Math.max(...waits)).toBeLessThanOrEqual(bound);
      expect(Math.max(...waits)).toBeGreaterThan(bound / 2);
      expect(Math.min(...waits)).toBeLessThan(bound / 2);
    }
  });
});

describe("delay()", () => {
  it("ends at once, without error, when its signal aborts", async () => {
    const controller = new AbortController();
    const waiting = delay(60_000, controller.signal);
    controller.abort();
    await waiting;
    await delay(60_000, controller.signal);
  });
});
