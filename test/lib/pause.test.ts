import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { pause } from "../../src/lib/pause.js";
import { createManualClock } from "../../src/testing/manual-clock.js";

describe("pause()", () => {
  it("ends when its time has come", async () => {
    const clock = createManualClock();
    const { signal } = new AbortController();
    let over = false;
    const waiting = pause(1_000, clock, signal).then(() => {
      over = true;
    });
    await clock.advance(999);
    expect(over).toBe(false);
    await clock.advance(1);
    await waiting;
    expect([clock.pendingTimers, getEventListeners(signal, "abort").length]).toEqual([0, 0]);
  });

  it("ends with the reason of an abort, before or during it, and leaves nothing behind", async () => {
    const clock = createManualClock();
    const reason = new Error("enough");
    const controller = new AbortController();
    const waiting = expect(pause(1_000, clock, controller.signal)).rejects.toBe(reason);
    controller.abort(reason);
    await waiting;
    await expect(pause(1_000, clock, controller.signal)).rejects.toBe(reason);
    expect([clock.pendingTimers, getEventListeners(controller.signal, "abort").length]).toEqual([0, 0]);
  });
});
