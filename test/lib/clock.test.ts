import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../src/lib/clock.js";

describe("systemClock", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("calls back once, when due", () => {
    let calls = 0;
    systemClock.setTimer(() => void calls++, 1_000);
    vi.advanceTimersByTime(999);
    expect(calls).toBe(0);
    vi.advanceTimersByTime(10_000);
    expect(calls).toBe(1);
  });

  it("does not call back after dispose", () => {
    let calls = 0;
    systemClock.setTimer(() => void calls++, 1_000)[Symbol.dispose]();
    vi.advanceTimersByTime(10_000);
    expect(calls).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("waits longer than setTimeout can", () => {
    const days = 24 * 60 * 60 * 1_000;
    let calls = 0;
    const timer = systemClock.setTimer(() => void calls++, 60 * days);
    vi.advanceTimersByTime(59 * days);
    expect(calls).toBe(0);
    vi.advanceTimersByTime(days);
    expect(calls).toBe(1);
    timer[Symbol.dispose]();
  });
});
