import { describe, expect, it } from "vitest";
import { retry } from "../../src/jwks/retry.js";
import { createManualClock } from "../../src/testing/manual-clock.js";

describe("retry()", () => {
  const schedule = { retries: 2, retryMinDelayMs: 250, retryMaxDelayMs: 400, totalTimeoutMs: 8_000 };
  const always = (): boolean => true;
  const { signal } = new AbortController();

  it("gives the first success and the last failure", async () => {
    const clock = createManualClock();
    let tries = 0;
    const work = (succeedAt: number) => async (): Promise<number> => {
      if (++tries < succeedAt) throw new Error(`failure ${tries}`);
      return tries;
    };
    const success = retry(work(3), always, { ...schedule, clock }, signal);
    await clock.advance(0);
    await clock.advance(650);
    expect(await success).toBe(3);
    tries = 0;
    const failure = expect(retry(work(9), always, { ...schedule, clock }, signal)).rejects.toThrow("failure 3");
    await clock.advance(0);
    await clock.advance(650);
    await failure;
    expect(clock.pendingTimers).toBe(0);
  });

  it("does not repeat what cannot pass", async () => {
    let tries = 0;
    const work = async (): Promise<never> => {
      tries++;
      throw new Error("for good");
    };
    const clock = createManualClock();
    await expect(retry(work, () => false, { ...schedule, clock }, signal)).rejects.toThrow("for good");
    expect(tries).toBe(1);
  });

  it("begins no wait that would end after the total deadline, and tells the work what is left", async () => {
    const clock = createManualClock();
    const tries: { readonly leftMs: number; fail(): void }[] = [];
    const work = (leftMs: number): Promise<never> =>
      new Promise((_, reject) => tries.push({ leftMs, fail: () => reject(new Error("slow")) }));
    const failure = expect(retry(work, always, { ...schedule, retryMinDelayMs: 0, clock }, signal)).rejects.toThrow(
      "slow",
    );
    for (const expectedLeftMs of [8_000, 3_000]) {
      expect(tries.at(-1)?.leftMs).toBe(expectedLeftMs);
      await clock.advance(5_000);
      tries.at(-1)?.fail();
      // Once for the wait to begin, once for it to end.
      await clock.advance(0);
      await clock.advance(0);
    }
    await failure;
    expect(tries).toHaveLength(2);
  });

  it("ends its wait when the signal aborts", async () => {
    const clock = createManualClock();
    const stop = new AbortController();
    const work = async (): Promise<never> => {
      throw new Error("failed");
    };
    const slow = { ...schedule, retryMinDelayMs: 1e6, retryMaxDelayMs: 1e6, totalTimeoutMs: 1e7, clock };
    const ended = expect(retry(work, always, slow, stop.signal)).rejects.toThrow("stop");
    await clock.advance(0);
    stop.abort(new Error("stop"));
    await ended;
    expect(clock.pendingTimers).toBe(0);
  });
});
