import { describe, expect, it } from "vitest";
import { createServerTime } from "../../src/client/server-time.js";
import { createManualClock } from "../../src/testing/manual-clock.js";

const NOW_MS = 1_900_000_000_000;
const HOUR_MS = 60 * 60 * 1_000;
const dated = (date: string): Headers => new Headers({ date });
const at = (ms: number): Headers => dated(new Date(ms).toUTCString());

describe("createServerTime()", () => {
  it("is this machine's until an answer says otherwise, and then follows the latest", async () => {
    const clock = createManualClock(NOW_MS);
    const time = createServerTime(clock);
    expect([time.aheadMs, time.nowMs()]).toEqual([0, NOW_MS]);
    expect(time.note(at(NOW_MS + 90_000))).toBe(NOW_MS + 90_000);
    await clock.advance(1_000);
    expect([time.aheadMs, time.nowMs()]).toEqual([90_000, NOW_MS + 91_000]);
    time.note(at(NOW_MS - 5_000));
    expect(time.aheadMs).toBe(-6_000);
  });

  it("counts from now what a cache has kept for a while", () => {
    const time = createServerTime(createManualClock(NOW_MS));
    const kept = (age: string): Headers => new Headers({ date: new Date(NOW_MS - 1_800_000).toUTCString(), age });
    expect(time.note(kept("1800"))).toBe(NOW_MS);
    for (const age of ["-1", "1e3", "1, 2", "100000000", "old"]) expect(time.note(kept(age))).toBeUndefined();
    expect(time.aheadMs).toBe(0);
  });

  it.each([HOUR_MS, -HOUR_MS])("believes a difference of %d ms, and no larger one", (differenceMs) => {
    const time = createServerTime(createManualClock(NOW_MS));
    time.note(at(NOW_MS + differenceMs));
    expect(time.aheadMs).toBe(differenceMs);
    expect(time.note(at(NOW_MS + differenceMs + Math.sign(differenceMs) * 1_000))).toBeUndefined();
    expect(time.aheadMs).toBe(differenceMs);
  });

  it.each(["", "tomorrow", "1900000000", new Date(NOW_MS).toISOString(), "Fri, 99 Xyz 2030 17:46:40 GMT"])(
    "learns nothing from %j",
    (date) => {
      const time = createServerTime(createManualClock(NOW_MS));
      time.note(at(NOW_MS + 5_000));
      expect(time.note(dated(date))).toBeUndefined();
      expect(time.note(new Headers())).toBeUndefined();
      expect(time.aheadMs).toBe(5_000);
    },
  );
});
