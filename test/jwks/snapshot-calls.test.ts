import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSnapshotCalls, type SnapshotCall, type SnapshotCalls } from "../../src/jwks/snapshot-calls.js";
import type { Clock } from "../../src/lib/clock.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";

const LIMITS = { timeoutMs: 100, maxCalls: 4, maxTimeouts: 3, pauseMs: 30_000 };
const TIMEOUT: SnapshotCall = { outcome: "timeout" };

describe("createSnapshotCalls()", () => {
  let clock: ManualClock;
  let calls: SnapshotCalls;
  let asked = 0;

  beforeEach(() => {
    clock = createManualClock();
    calls = createSnapshotCalls(LIMITS, clock);
    asked = 0;
  });
  afterEach(() => calls[Symbol.dispose]());

  /** A store that never answers. */
  const hang = (): Promise<never> => {
    asked++;
    return new Promise(() => {});
  };
  const times = (count: number, call: () => unknown): Promise<SnapshotCall>[] =>
    Array.from({ length: count }, () => calls.make(call));

  it("gives what is answered at once or later", async () => {
    expect(await calls.make(() => 1)).toEqual({ outcome: "answered", value: 1 });
    expect(await calls.make(async () => "text")).toEqual({ outcome: "answered", value: "text" });
    expect(clock.pendingTimers).toBe(0);
  });

  it("says that the store failed, whether it throws or rejects", async () => {
    const fail = (): never => {
      throw new Error("redis://:password@host is down");
    };
    expect(await calls.make(fail)).toEqual({ outcome: "store" });
    expect(await calls.make(async () => fail())).toEqual({ outcome: "store" });
    expect(clock.pendingTimers).toBe(0);
  });

  it("I3: gives up when its time is over, and not before", async () => {
    let ended: SnapshotCall | undefined;
    const call = calls.make(hang).then((result) => {
      ended = result;
    });
    await clock.advance(99);
    expect(ended).toBeUndefined();
    await clock.advance(1);
    await call;
    expect(ended).toEqual(TIMEOUT);
    expect(clock.pendingTimers).toBe(0);
  });

  it("does not mistake a process that was busy for a store that is silent", async () => {
    let nowMs = 0;
    const timers = new Set<{ readonly dueMs: number; readonly callback: () => void }>();
    const busyClock: Clock = {
      nowMs: () => nowMs,
      monotonicMs: () => nowMs,
      setTimer(callback, delayMs) {
        const timer = { dueMs: nowMs + delayMs, callback };
        timers.add(timer);
        return { [Symbol.dispose]: () => void timers.delete(timer) };
      },
    };
    // As Node.js does it: each timer that is due is called once, then answers are looked for.
    const wake = async (atMs: number): Promise<void> => {
      nowMs = atMs;
      for (const timer of [...timers].filter(({ dueMs }) => dueMs <= nowMs)) {
        timers.delete(timer);
        timer.callback();
      }
      await clock.advance(0);
    };
    using busyCalls = createSnapshotCalls(LIMITS, busyClock);
    const answer = Promise.withResolvers<string>();
    const ended: SnapshotCall[] = [];
    const made = [answer.promise, hang()].map((one) => busyCalls.make(() => one).then((call) => ended.push(call)));
    await wake(5_000);
    expect(ended).toEqual([]);
    answer.resolve("here");
    await made[0];
    expect(ended).toEqual([{ outcome: "answered", value: "here" }]);
    for (const atMs of [5_020, 5_040, 5_060]) await wake(atMs);
    expect(ended.length).toBe(1);
    await wake(5_080);
    await made[1];
    expect(ended[1]).toEqual(TIMEOUT);
    expect(timers.size).toBe(0);
  });

  it("I3: drops what comes late, an error too", async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", listen);
    const late = [Promise.withResolvers(), Promise.withResolvers()] as const;
    const given = late.map(({ promise }) => calls.make(() => promise));
    await clock.advance(LIMITS.timeoutMs);
    expect(await Promise.all(given)).toEqual([TIMEOUT, TIMEOUT]);
    late[0].resolve("late");
    late[1].reject(new Error("late"));
    await clock.advance(0);
    process.off("unhandledRejection", listen);
    expect(unhandled).toEqual([]);
  });

  it("has no more calls under way than permitted, and makes the others in order as those end", async () => {
    const made: number[] = [];
    const gates = Array.from({ length: 9 }, () => Promise.withResolvers<void>());
    const results = gates.map(({ promise }, index) =>
      calls.make(() => {
        made.push(index);
        return promise;
      }),
    );
    await clock.advance(0);
    expect(made).toEqual([0, 1, 2, 3]);
    gates[2]?.resolve();
    await clock.advance(0);
    expect(made).toEqual([0, 1, 2, 3, 4]);
    for (const { resolve } of gates) resolve();
    await Promise.all(results);
    expect(made).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    void times(5, hang);
    await clock.advance(0);
    expect(asked).toBe(LIMITS.maxCalls);
  });

  it("I3: lets a store that answers no more cost the time box twice at most, for a thousand calls", async () => {
    const results = Promise.all(times(1_000, hang));
    await clock.advance(2 * LIMITS.timeoutMs);
    const outcomes = (await results).map(({ outcome }) => outcome);
    // The places of the first that are given up on go to others, until it is clear that this is no use.
    const most = LIMITS.maxCalls + LIMITS.maxTimeouts - 1;
    expect(outcomes.filter((outcome) => outcome === "timeout").length).toBeLessThanOrEqual(most);
    expect(outcomes.filter((outcome) => outcome === "unmade").length).toBeGreaterThanOrEqual(1_000 - most);
    expect(asked).toBeLessThanOrEqual(most);
  });

  it("asks with one call after the pause, and pauses again if that is not answered", async () => {
    const first = times(3, hang);
    await clock.advance(LIMITS.timeoutMs);
    await Promise.all(first);
    await clock.advance(LIMITS.pauseMs - 1);
    expect(await calls.make(hang)).toEqual({ outcome: "unmade" });
    await clock.advance(1);
    const probes = Promise.all(times(3, hang));
    await clock.advance(LIMITS.timeoutMs);
    expect(await probes).toEqual([TIMEOUT, { outcome: "unmade" }, { outcome: "unmade" }]);
    await clock.advance(LIMITS.pauseMs - LIMITS.timeoutMs - 1);
    expect(await calls.make(hang)).toEqual({ outcome: "unmade" });
    expect(asked).toBe(4);
  });

  it.each([
    ["an answer", () => "text", "answered"],
    ["an error", () => Promise.reject(new Error("READONLY")), "store"],
  ])("goes on after the pause once there is %s", async (_, call, outcome) => {
    const first = times(3, hang);
    await clock.advance(LIMITS.timeoutMs);
    await Promise.all(first);
    await clock.advance(LIMITS.pauseMs);
    expect(await calls.make(call)).toMatchObject({ outcome });
    expect(await Promise.all(times(3, call))).toMatchObject(Array.from({ length: 3 }, () => ({ outcome })));
  });

  it("does not pause for calls that are now and then not answered", async () => {
    for (let round = 0; round < 5; round++) {
      const lost = times(2, hang);
      await clock.advance(LIMITS.timeoutMs);
      expect(await Promise.all(lost)).toEqual([TIMEOUT, TIMEOUT]);
      expect(await calls.make(() => 1)).toMatchObject({ outcome: "answered" });
    }
  });

  it("ends every wait when disposed, leaves no timer, and makes no call from then on", async () => {
    const results = Promise.all(times(2, hang));
    await clock.advance(0);
    expect(clock.pendingTimers).toBe(2);
    calls[Symbol.dispose]();
    expect(await results).toEqual([TIMEOUT, TIMEOUT]);
    expect(await calls.make(hang)).toEqual({ outcome: "unmade" });
    expect(clock.pendingTimers).toBe(0);
    expect(asked).toBe(2);
  });

  it("makes no call that waits for room when disposed", async () => {
    const roomy = createSnapshotCalls({ ...LIMITS, maxTimeouts: 10 }, clock);
    const results = Promise.all(Array.from({ length: 6 }, () => roomy.make(hang)));
    await clock.advance(0);
    roomy[Symbol.dispose]();
    expect((await results).slice(3)).toEqual([TIMEOUT, { outcome: "unmade" }, { outcome: "unmade" }]);
    expect(asked).toBe(4);
  });
});
