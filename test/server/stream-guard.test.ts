import { describe, expect, it } from "vitest";
import { createStreamGuard, type StreamGuard } from "../../src/server/stream-guard.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";

function createGuard(
  clock: ManualClock,
  lifeMs: number | undefined,
  callSignal = new AbortController().signal,
): StreamGuard {
  return createStreamGuard({
    callSignal,
    endsAtMs: lifeMs === undefined ? undefined : clock.nowMs() + lifeMs,
    createExpiredError: () => new Error("expired"),
    clock,
  });
}

describe("createStreamGuard()", () => {
  it("J6: ends the stream at its time and not before", async () => {
    const clock = createManualClock();
    const guard = createGuard(clock, 1_000);
    await clock.advance(999);
    expect(guard.ended.aborted).toBe(false);
    guard.assertOpen();
    await clock.advance(1);
    expect(guard.ended.reason).toEqual(new Error("expired"));
    expect(guard.signal.reason).toEqual(new Error("expired"));
    expect(() => guard.assertOpen()).toThrow("expired");
    expect(clock.pendingTimers).toBe(0);
  });

  it("ends at once when its time has passed already", async () => {
    const clock = createManualClock();
    const guard = createGuard(clock, -1);
    expect(() => guard.assertOpen()).toThrow("expired");
    expect(guard.ended.aborted).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  it("holds no timer when no token limits the stream", async () => {
    const clock = createManualClock();
    const guard = createGuard(clock, undefined);
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(1e9);
    expect(() => guard.assertOpen()).not.toThrow();
  });

  it("keeps the first error that ended the stream", async () => {
    const clock = createManualClock();
    const guard = createGuard(clock, 1_000);
    guard.end(new Error("first"));
    guard.end(new Error("second"));
    await clock.advance(2_000);
    expect([guard.ended.reason, guard.signal.reason]).toEqual([new Error("first"), new Error("first")]);
    expect(() => guard.assertOpen()).toThrow("first");
  });

  it("tells the handler when the call is over, without ending what it still has to say, and drops its timer", () => {
    const clock = createManualClock();
    const call = new AbortController();
    const guard = createGuard(clock, 1_000, call.signal);
    call.abort(new Error("shutting down"));
    expect(guard.signal.reason).toEqual(new Error("shutting down"));
    expect(guard.ended.aborted).toBe(false);
    expect(() => guard.assertOpen()).not.toThrow();
    expect(clock.pendingTimers).toBe(0);
  });

  it("J6: lets no message pass after its time, even when the call was aborted before", async () => {
    const clock = createManualClock();
    const guard = createGuard(clock, 1_000, AbortSignal.abort());
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(1_000);
    expect(() => guard.assertOpen()).toThrow("expired");
  });
});
