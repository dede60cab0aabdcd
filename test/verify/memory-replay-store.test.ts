import { beforeEach, describe, expect, it } from "vitest";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createMemoryReplayStore } from "../../src/verify/memory-replay-store.js";

const OPTIONS = { signal: new AbortController().signal };
const START_MS = 1_800_000_000_000;
const MINUTE = 60_000;

describe("createMemoryReplayStore()", () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = createManualClock(START_MS);
  });

  it("gives an id to the first who claims it, at once", () => {
    const store = createMemoryReplayStore({ clock });
    expect(store.claim("a", START_MS + MINUTE, OPTIONS)).toBe(true);
    expect(store.claim("a", START_MS + MINUTE, OPTIONS)).toBe(false);
    expect(store.claim("b", START_MS + MINUTE, OPTIONS)).toBe(true);
  });

  it("remembers an id until its time, whatever is claimed meanwhile, and not much longer", async () => {
    const store = createMemoryReplayStore({ clock });
    expect(store.claim("a", START_MS + 1_500, OPTIONS)).toBe(true);
    expect(store.claim("b", START_MS + MINUTE, OPTIONS)).toBe(true);
    await clock.advance(1_499);
    expect(store.claim("a", START_MS + 1_500, OPTIONS)).toBe(false);
    await clock.advance(501);
    expect(store.claim("a", START_MS + MINUTE, OPTIONS)).toBe(true);
    expect(store.claim("b", START_MS + MINUTE, OPTIONS)).toBe(false);
  });

  it("E10: forgets no id to make room for another: full, it refuses new ones and still knows the old", async () => {
    const store = createMemoryReplayStore({ clock, maxEntries: 3 });
    for (const id of ["a", "b", "c"]) expect(store.claim(id, START_MS + MINUTE, OPTIONS)).toBe(true);
    const full = expect.objectContaining({ name: "KeysUnavailableError", code: "ERR_TOO_MANY_PENDING" });
    for (let time = 0; time < MINUTE; time += 10_000) {
      expect(() => store.claim("d", START_MS + 2 * MINUTE, OPTIONS)).toThrow(full);
      for (const id of ["a", "b", "c"]) expect(store.claim(id, START_MS + 2 * MINUTE, OPTIONS)).toBe(false);
      await clock.advance(10_000);
    }
    for (const id of ["a", "b", "c"]) expect(store.claim(id, START_MS + 2 * MINUTE, OPTIONS)).toBe(true);
  });

  it("has room again as soon as the time of some is over, in whatever order they came", async () => {
    const store = createMemoryReplayStore({ clock, maxEntries: 100 });
    for (let index = 0; index < 100; index++) {
      expect(store.claim(`${index}`, START_MS + ((index * 37) % 100) * 1_000, OPTIONS)).toBe(true);
    }
    await clock.advance(50_000);
    const claims = Array.from({ length: 51 }, (_, index) =>
      store.claim(`new ${index}`, START_MS + MINUTE * 9, OPTIONS),
    );
    expect(claims).toEqual(claims.map(() => true));
    expect(() => store.claim("one more", START_MS + MINUTE, OPTIONS)).toThrow();
  });

  it("E10: remembers an id while its proof is good by a wall clock that was wrong and is set right", async () => {
    const store = createMemoryReplayStore({ clock });
    expect(store.claim("a", START_MS + MINUTE, OPTIONS)).toBe(true);
    clock.setWallClock(START_MS + 60 * MINUTE);
    expect(store.claim("b", START_MS + 61 * MINUTE, OPTIONS)).toBe(true);
    clock.setWallClock(START_MS + 1_000);
    expect(store.claim("a", START_MS + MINUTE, OPTIONS)).toBe(false);
    await clock.advance(50_000);
    clock.setWallClock(START_MS - 60 * MINUTE);
    await clock.advance(60_000);
    expect(store.claim("a", START_MS + MINUTE, OPTIONS)).toBe(false);
  });

  it("E10: remembers an id for which a batch was begun before the wall clock leapt", async () => {
    const store = createMemoryReplayStore({ clock });
    expect(store.claim("a", START_MS + MINUTE, OPTIONS)).toBe(true);
    clock.setWallClock(START_MS + MINUTE - 1_000);
    expect(store.claim("b", START_MS + MINUTE, OPTIONS)).toBe(true);
    await clock.advance(2_000);
    expect(store.claim("c", START_MS + 2 * MINUTE, OPTIONS)).toBe(true);
    clock.setWallClock(START_MS + 3_000);
    expect(store.claim("a", START_MS + MINUTE, OPTIONS)).toBe(false);
  });

  it("remembers an id that is claimed once more after its time", async () => {
    const store = createMemoryReplayStore({ clock });
    expect(store.claim("a", START_MS + 1_000, OPTIONS)).toBe(true);
    await clock.advance(1_000);
    expect(store.claim("a", START_MS + MINUTE, OPTIONS)).toBe(true);
    await clock.advance(1_000);
    expect(store.claim("a", START_MS + MINUTE, OPTIONS)).toBe(false);
  });

  it("holds no timer", () => {
    expect(createMemoryReplayStore({ clock }).claim("a", START_MS + MINUTE, OPTIONS)).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  it("takes the time of this machine unless told another", () => {
    const store = createMemoryReplayStore();
    expect(store.claim("a", Date.now() + MINUTE, OPTIONS)).toBe(true);
    expect(store.claim("a", Date.now() + MINUTE, OPTIONS)).toBe(false);
  });

  it.each([
    [{ maxEntries: 0 }, RangeError],
    [{ maxEntries: 1.5 }, RangeError],
    [{ maxEntries: "9" }, TypeError],
    [{ maxSize: 9 }, TypeError],
  ])("refuses the options %j", (options, error) => {
    expect(() => createMemoryReplayStore(options as never)).toThrow(error);
  });
});
