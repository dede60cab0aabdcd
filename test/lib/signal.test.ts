import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { raceSignal } from "../../src/lib/signal.js";

describe("raceSignal()", () => {
  it("gives what the promise gives, with and without a signal", async () => {
    expect(await raceSignal(Promise.resolve(1), undefined)).toBe(1);
    expect(await raceSignal(Promise.resolve(1), new AbortController().signal)).toBe(1);
    await expect(raceSignal(Promise.reject(new Error("no")), new AbortController().signal)).rejects.toThrow("no");
  });

  it("fails with the reason of the signal, before and during the wait", async () => {
    const never = new Promise<never>(() => {});
    await expect(raceSignal(never, AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
    const controller = new AbortController();
    const waiting = raceSignal(never, controller.signal);
    controller.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
  });

  it("K11: leaves no listener behind", async () => {
    const { signal } = new AbortController();
    for (let round = 0; round < 100; round++) await raceSignal(Promise.resolve(), signal);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});
