import { getEventListeners } from "node:events";
import { beforeEach, describe, expect, it } from "vitest";
import { withDeadline } from "../../src/lib/deadline.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";

describe("withDeadline()", () => {
  let clock: ManualClock;
  let stop: AbortController;
  beforeEach(() => {
    clock = createManualClock();
    stop = new AbortController();
  });

  function run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = (): Error => new Error("late");
    return withDeadline(work, { timeoutMs: 1_000, late, clock, signal: stop.signal });
  }
  const untilAborted = (signal: AbortSignal): Promise<never> =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));

  it("gives what the work gives, and leaves neither timer nor listener", async () => {
    expect(await run(async () => "done")).toBe("done");
    await expect(run(() => Promise.reject(new Error("failed")))).rejects.toThrow("failed");
    const throwing = (): never => {
      throw new Error("at once");
    };
    await expect(run(throwing)).rejects.toThrow("at once");
    expect(clock.pendingTimers).toBe(0);
    expect(getEventListeners(stop.signal, "abort")).toHaveLength(0);
  });

  it("H11: aborts the work at the deadline, and not before", async () => {
    let signal: AbortSignal | undefined;
    const ended = expect(
      run((given) => {
        signal = given;
        return untilAborted(given);
      }),
    ).rejects.toThrow("late");
    await clock.advance(999);
    expect(signal?.aborted).toBe(false);
    await clock.advance(1);
    expect(signal?.aborted).toBe(true);
    await ended;
    expect(getEventListeners(stop.signal, "abort")).toHaveLength(0);
  });

  it("aborts the work with the signal, for its reason", async () => {
    const ended = expect(run(untilAborted)).rejects.toThrow("stop");
    stop.abort(new Error("stop"));
    await ended;
    expect(clock.pendingTimers).toBe(0);
  });

  it("begins nothing when the signal has aborted before", async () => {
    stop.abort(new Error("stop"));
    let begun = false;
    const work = async (): Promise<void> => {
      begun = true;
    };
    await expect(run(work)).rejects.toThrow("stop");
    expect(begun).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });

  it("settles when the work does, so that nothing is repeated while it still runs", async () => {
    const gate = Promise.withResolvers<string>();
    let settled = false;
    const ended = run(() => gate.promise).finally(() => {
      settled = true;
    });
    await clock.advance(5_000);
    expect(settled).toBe(false);
    gate.resolve("at last");
    expect(await ended).toBe("at last");
  });
});
