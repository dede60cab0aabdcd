import { describe, expect, it } from "vitest";
import { createManualClock } from "../../src/testing/manual-clock.js";

describe("createManualClock()", () => {
  it("stands still until it is moved", async () => {
    const clock = createManualClock(1_000);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([1_000, 0]);
    await clock.advance(500);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([1_500, 500]);
  });

  it("calls timers back in order of their due times, each at its own instant", async () => {
    const clock = createManualClock(0);
    const calls: number[] = [];
    clock.setTimer(() => calls.push(clock.monotonicMs()), 200);
    clock.setTimer(() => {
      calls.push(clock.monotonicMs());
      clock.setTimer(() => calls.push(clock.monotonicMs()), 50);
    }, 100);
    clock.setTimer(() => calls.push(-1), 150)[Symbol.dispose]();
    clock.setTimer(() => calls.push(-2), 400);
    await clock.advance(300);
    expect(calls).toEqual([100, 150, 200]);
    expect(clock.pendingTimers).toBe(1);
  });

  it("lets the wall clock step without moving monotonic time", () => {
    const clock = createManualClock(5_000);
    clock.setWallClock(1_000);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([1_000, 0]);
  });

  it("refuses to go back", async () => {
    await expect(createManualClock().advance(-1)).rejects.toThrow(RangeError);
  });

  it("never turns back when one move begins before another has ended", async () => {
    const clock = createManualClock(1_000);
    const timer = Promise.withResolvers<void>();
    clock.setTimer(() => timer.resolve(), 10);
    const first = clock.advance(20);
    await timer.promise;
    const second = clock.advance(1_000);
    await Promise.all([first, second]);
    expect([clock.monotonicMs(), clock.nowMs()]).toEqual([1_010, 2_010]);
  });
});
