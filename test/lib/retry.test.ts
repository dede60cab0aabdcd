import { beforeEach, describe, expect, it } from "vitest";
import { type RetrySchedule, retry } from "../../src/lib/retry.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";

const { signal: never } = new AbortController();

describe("retry()", () => {
  let clock: ManualClock;
  let schedule: RetrySchedule;
  beforeEach(() => {
    clock = createManualClock();
    schedule = {
      retries: 2,
      retryMinDelayMs: 250,
      retryMaxDelayMs: 2_000,
      retryJitter: "none",
      totalTimeoutMs: 8_000,
      clock,
    };
  });
  const always = (): number => 0;

  /** Work that always fails, and when it was tried. */
  function failing(): { readonly triedAtMs: number[]; work(): Promise<never> } {
    const triedAtMs: number[] = [];
    return {
      triedAtMs,
      async work() {
        triedAtMs.push(clock.monotonicMs());
        throw new Error(`failure ${triedAtMs.length}`);
      },
    };
  }

  it("gives the first success and the last failure", async () => {
    let tries = 0;
    const work = (succeedAt: number) => async (): Promise<number> => {
      if (++tries < succeedAt) throw new Error(`failure ${tries}`);
      return tries;
    };
    const success = retry(work(3), always, schedule, never);
    await clock.advance(0);
    await clock.advance(750);
    expect(await success).toBe(3);
    tries = 0;
    const failure = expect(retry(work(9), always, schedule, never)).rejects.toThrow("failure 3");
    await clock.advance(0);
    await clock.advance(750);
    await failure;
    expect(clock.pendingTimers).toBe(0);
  });

  it("waits exactly as long as the backoff says", async () => {
    const { triedAtMs, work } = failing();
    const failure = expect(retry(work, always, { ...schedule, retries: 5 }, never)).rejects.toThrow("failure 6");
    await clock.advance(0);
    await clock.advance(8_000);
    await failure;
    expect(triedAtMs).toEqual([0, 250, 750, 1_750, 3_750, 5_750]);
  });

  it.each(["full", "decorrelated"] as const)(
    "H6: waits at random between the bounds, with %s jitter",
    async (jitter) => {
      const first = new Set<number>();
      for (let round = 0; round < 20; round++) {
        const startedAtMs = clock.monotonicMs();
        const { triedAtMs, work } = failing();
        const failure = expect(retry(work, always, { ...schedule, retryJitter: jitter }, never)).rejects.toThrow(
          "failure 3",
        );
        await clock.advance(0);
        await clock.advance(4_000);
        await failure;
        const waits = triedAtMs.slice(1).map((atMs, index) => atMs - (triedAtMs[index] ?? 0));
        expect(waits).toHaveLength(2);
        for (const waitMs of waits) expect(waitMs >= 0 && waitMs <= 2_000).toBe(true);
        first.add((triedAtMs[1] ?? 0) - startedAtMs);
      }
      expect(first.size).toBeGreaterThan(5);
    },
  );

  it("H6: waits at least as long as a failure asks for", async () => {
    const { triedAtMs, work } = failing();
    const asked = [1_000, 100];
    const failure = expect(retry(work, () => asked.shift(), schedule, never)).rejects.toThrow("failure 3");
    await clock.advance(0);
    await clock.advance(8_000);
    await failure;
    expect(triedAtMs).toEqual([0, 1_000, 1_500]);
  });

  it("does not repeat what cannot pass", async () => {
    const { triedAtMs, work } = failing();
    await expect(retry(work, () => undefined, schedule, never)).rejects.toThrow("failure 1");
    expect(triedAtMs).toHaveLength(1);
  });

  it("repeats nothing when told to do so never", async () => {
    const { triedAtMs, work } = failing();
    await expect(retry(work, always, { ...schedule, retries: 0 }, never)).rejects.toThrow("failure 1");
    expect(triedAtMs).toHaveLength(1);
  });

  it("H11: begins no wait that would end after the total deadline", async () => {
    const tries: (() => void)[] = [];
    const work = (): Promise<never> =>
      new Promise((_, reject) => tries.push(() => reject(new Error(`slow ${tries.length}`))));
    const failure = expect(retry(work, always, { ...schedule, retryMinDelayMs: 0 }, never)).rejects.toThrow("slow 2");
    for (let round = 0; round < 2; round++) {
      await clock.advance(5_000);
      tries.at(-1)?.();
      // Once for the wait to begin, once for it to end.
      await clock.advance(0);
      await clock.advance(0);
    }
    await failure;
    expect(tries).toHaveLength(2);
    expect(clock.pendingTimers).toBe(0);
  });

  it("H11: gives up at once when a failure asks for a wait beyond the total deadline", async () => {
    const { triedAtMs, work } = failing();
    await expect(retry(work, () => 8_000, schedule, never)).rejects.toThrow("failure 1");
    expect(triedAtMs).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it("ends its wait when the signal aborts", async () => {
    const stop = new AbortController();
    const slow = { ...schedule, retryMinDelayMs: 1e6, retryMaxDelayMs: 1e6, totalTimeoutMs: 1e7 };
    const ended = expect(retry(failing().work, always, slow, stop.signal)).rejects.toThrow("stop");
    await clock.advance(0);
    stop.abort(new Error("stop"));
    await ended;
    expect(clock.pendingTimers).toBe(0);
  });

  it("repeats nothing after the signal has aborted", async () => {
    const stop = new AbortController();
    let tries = 0;
    const work = async (): Promise<never> => {
      tries++;
      stop.abort(new Error("stop"));
      throw new Error("failed");
    };
    await expect(retry(work, always, schedule, stop.signal)).rejects.toThrow("failed");
    expect(tries).toBe(1);
  });
});
