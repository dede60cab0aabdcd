import { beforeEach, describe, expect, it } from "vitest";
import { createHeldKeySet, type HeldKeySet } from "../../src/jwks/held-key-set.js";
import { type JwksOptions, resolveJwksOptions } from "../../src/jwks/jwks-options.js";
import { parseKeySet } from "../../src/jwks/key-set.js";
import { createRefreshTimer, type RefreshTimer } from "../../src/jwks/refresh-timer.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer } from "../../src/testing/test-issuer.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

describe("createRefreshTimer()", () => {
  let clock: ManualClock;
  let held: HeldKeySet;
  let disposal: AbortController;
  let calledAtMs: number[];
  beforeEach(() => {
    clock = createManualClock();
    held = createHeldKeySet(10 * MINUTE, clock);
    disposal = new AbortController();
    calledAtMs = [];
  });

  function create(options: JwksOptions = {}): RefreshTimer {
    const settings = resolveJwksOptions({ clock, refreshJitterMs: 0, ...options }, "options");
    return createRefreshTimer(() => calledAtMs.push(clock.monotonicMs()), held, settings, disposal.signal);
  }
  async function hold(ttlMs: number): Promise<void> {
    const keySet = await parseKeySet((await createTestIssuer()).jwks(), { maxKeys: 10 });
    const requestedAtMs = clock.monotonicMs();
    held.store({ keySet, sequence: 1, requestedAtMs, ttlMs, validators: undefined, freshness: {} });
  }

  it("calls back once, shortly before the freshness ends", async () => {
    await clock.advance(SECOND);
    await hold(10 * MINUTE);
    await clock.advance(MINUTE);
    const timer = create();
    expect(timer.dueAtMs).toBeUndefined();
    timer.scheduleRefresh();
    expect(timer.dueAtMs).toBe(SECOND + 9.5 * MINUTE);
    await clock.advance(20 * MINUTE);
    expect(calledAtMs).toEqual([SECOND + 9.5 * MINUTE]);
    expect(timer.dueAtMs).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
  });

  it("calls back at once when that moment has passed", async () => {
    await hold(MINUTE);
    await clock.advance(2 * MINUTE);
    create().scheduleRefresh();
    await clock.advance(0);
    expect(calledAtMs).toEqual([2 * MINUTE]);
  });

  it("replaces what it was set to before", async () => {
    await hold(10 * MINUTE);
    const timer = create();
    timer.scheduleRetry(MINUTE);
    timer.scheduleRefresh();
    timer.scheduleRetry(2 * MINUTE);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(20 * MINUTE);
    expect(calledAtMs).toEqual([2 * MINUTE]);
  });

  it.each([
    ["a life that is long", 10 * MINUTE, 9.5 * MINUTE, 5 * SECOND],
    ["a life that is short", 60 * SECOND, 48 * SECOND, 5 * SECOND],
    ["a life that is shorter than the pause before its end", 20 * SECOND, 16 * SECOND, 2 * SECOND],
  ])("spreads that moment, in %s", async (_name, ttlMs, latestMs, spreadMs) => {
    await hold(ttlMs);
    const timer = create({ refreshJitterMs: 5 * SECOND });
    const due = Array.from({ length: 200 }, () => {
      timer.scheduleRefresh();
      return timer.dueAtMs ?? Number.NaN;
    });
    expect(Math.max(...due)).toBeLessThanOrEqual(latestMs);
    expect(Math.min(...due)).toBeGreaterThanOrEqual(latestMs - spreadMs);
    // 200 moments that all miss a tenth of the range: once in 10^9 runs.
    expect(Math.min(...due)).toBeLessThan(latestMs - spreadMs * 0.9);
    expect(Math.max(...due)).toBeGreaterThan(latestMs - spreadMs * 0.1);
  });

  describe("after a failure", () => {
    it("calls back when the issuer may be asked again", async () => {
      await hold(10 * MINUTE);
      create().scheduleRetry(30 * SECOND);
      await clock.advance(30 * SECOND);
      expect(calledAtMs).toEqual([30 * SECOND]);
    });

    it("H6: calls back once more while the keys in hand last, though the issuer asked for a longer pause", async () => {
      await hold(10 * MINUTE);
      const timer = create({ totalTimeoutMs: 8 * SECOND });
      timer.scheduleRetry(60 * MINUTE);
      const lastChanceMs = 20 * MINUTE - 8 * SECOND;
      expect(timer.dueAtMs).toBe(lastChanceMs);
      await clock.advance(lastChanceMs);
      timer.scheduleRetry(60 * MINUTE);
      expect(timer.dueAtMs).toBe(60 * MINUTE);
    });

    it("H6: keeps the pause when the keys end within the cooldown anyway", async () => {
      await hold(10 * MINUTE);
      await clock.advance(20 * MINUTE - 38 * SECOND);
      const timer = create({ totalTimeoutMs: 8 * SECOND, cooldownMs: 30 * SECOND });
      timer.scheduleRetry(60 * MINUTE);
      expect(timer.dueAtMs).toBe(60 * MINUTE);
    });
  });

  it("H16: leaves nothing behind when disposed, and is not set afterwards", async () => {
    await hold(10 * MINUTE);
    const timer = create();
    timer.scheduleRefresh();
    disposal.abort();
    expect(timer.dueAtMs).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
    timer.scheduleRefresh();
    timer.scheduleRetry(MINUTE);
    expect(timer.dueAtMs).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
  });
});
