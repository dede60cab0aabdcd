import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { createStreamGuard, type StreamGuard, type StreamGuardOptions } from "../../src/server/stream-guard.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";

const NEVER = { nextMs: () => 1e9, run: async () => {} };

function createGuard(
  clock: ManualClock,
  lifeMs: number,
  callSignal: AbortSignal = new AbortController().signal,
  options: Partial<StreamGuardOptions> = {},
): StreamGuard {
  return createStreamGuard({
    callSignal,
    endsAtMs: clock.nowMs() + lifeMs,
    createExpiredError: () => new Error("expired"),
    warning: undefined,
    recheck: NEVER,
    clock,
    ...options,
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

  it("J6: ends the stream when the time that its caller asked for is over", () => {
    const clock = createManualClock();
    const call = new AbortController();
    const guard = createGuard(clock, 1_000, call.signal);
    const late = new ConnectError("the operation timed out", Code.DeadlineExceeded);
    call.abort(late);
    expect([guard.ended.reason, guard.signal.reason]).toEqual([late, late]);
    expect(() => guard.assertOpen()).toThrow(late);
    expect(clock.pendingTimers).toBe(0);
    expect(createGuard(clock, 1_000, call.signal).ended.reason).toBe(late);
  });

  it("J6: lets no message pass after its time, even when the call was aborted before", async () => {
    const clock = createManualClock();
    const guard = createGuard(clock, 1_000, AbortSignal.abort());
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(1_000);
    expect(() => guard.assertOpen()).toThrow("expired");
  });

  it("E12: checks again and again, one check at a time, and ends with what a check rejects with", async () => {
    const clock = createManualClock();
    const checks: PromiseWithResolvers<void>[] = [];
    const run = (): Promise<void> => {
      checks.push(Promise.withResolvers<void>());
      return (checks.at(-1) as PromiseWithResolvers<void>).promise;
    };
    const guard = createGuard(clock, 1_000_000, undefined, { recheck: { nextMs: () => 100, run } });
    await clock.advance(99);
    expect(checks).toHaveLength(0);
    await clock.advance(1_000);
    expect(checks).toHaveLength(1);
    checks[0]?.resolve();
    await clock.advance(0);
    await clock.advance(100);
    expect(checks).toHaveLength(2);
    expect(guard.ended.aborted).toBe(false);
    checks[1]?.reject(new Error("revoked"));
    await clock.advance(0);
    expect(guard.ended.reason).toEqual(new Error("revoked"));
    expect(clock.pendingTimers).toBe(0);
  });

  it("does nothing about a check that fails once the call is over", async () => {
    const clock = createManualClock();
    const call = new AbortController();
    const check = Promise.withResolvers<void>();
    const recheck = { nextMs: () => 100, run: () => check.promise };
    const guard = createGuard(clock, 1_000, call.signal, { recheck });
    await clock.advance(100);
    call.abort(new Error("gone"));
    check.reject(new Error("revoked"));
    await clock.advance(100);
    expect(guard.ended.aborted).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });

  it("warns once before the end, at once when that is near already", async () => {
    const clock = createManualClock();
    const warned: number[] = [];
    const warnAfter = (afterMs: number): Pick<StreamGuardOptions, "warning"> => ({
      warning: { atMs: clock.nowMs() + afterMs, tell: () => void warned.push(clock.nowMs()) },
    });
    const startMs = clock.nowMs();
    createGuard(clock, 1_000, undefined, warnAfter(900));
    createGuard(clock, 1_000, undefined, warnAfter(-1));
    await clock.advance(2_000);
    expect(warned).toEqual([startMs, startMs + 900]);
  });
});
