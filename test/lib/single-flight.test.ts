import { describe, expect, it } from "vitest";
import { createSingleFlight } from "../../src/lib/single-flight.js";

describe("createSingleFlight()", () => {
  it("runs the work once for callers at the same time, and again afterwards", async () => {
    const flights = createSingleFlight<string, number>();
    let runs = 0;
    const work = async (): Promise<number> => ++runs;
    expect(await Promise.all([flights.run("a", work), flights.run("a", work)])).toEqual([1, 1]);
    expect(await flights.run("a", work)).toBe(2);
  });

  it("keeps keys apart", async () => {
    const flights = createSingleFlight<string, string>();
    const run = (key: string): Promise<string> => flights.run(key, async () => key);
    expect(await Promise.all([run("a"), run("b")])).toEqual(["a", "b"]);
  });

  it("gives a failure to everyone and does not remember it", async () => {
    const flights = createSingleFlight<string, string>();
    const fail = (): Promise<string> => Promise.reject(new Error("no"));
    const results = await Promise.allSettled([flights.run("a", fail), flights.run("a", fail)]);
    expect(results.map((result) => result.status)).toEqual(["rejected", "rejected"]);
    expect(await flights.run("a", async () => "yes")).toBe("yes");
  });

  it("lets one caller leave without harm to the others", async () => {
    const flights = createSingleFlight<string, string>();
    const gate = Promise.withResolvers<string>();
    const first = new AbortController();
    const left = flights.run("a", () => gate.promise, first.signal);
    const stayed = flights.run("a", () => gate.promise);
    first.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    expect(flights.waiting("a")).toBe(1);
    gate.resolve("done");
    expect(await stayed).toBe("done");
    expect(flights.waiting("a")).toBe(0);
  });

  it("does not report a failure as unhandled when every caller has left", async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", listen);
    const flights = createSingleFlight<string, string>();
    const gate = Promise.withResolvers<string>();
    const caller = new AbortController();
    const left = flights.run("a", () => gate.promise, caller.signal);
    caller.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    gate.reject(new Error("late"));
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", listen);
    expect(unhandled).toEqual([]);
  });

  it("starts nothing for a caller that is already gone", async () => {
    const flights = createSingleFlight<string, string>();
    let runs = 0;
    await expect(flights.run("a", async () => `${++runs}`, AbortSignal.abort(new Error("gone")))).rejects.toThrow(
      "gone",
    );
    expect(runs).toBe(0);
  });
});
