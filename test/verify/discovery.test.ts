import { beforeEach, describe, expect, it } from "vitest";
import { KeysUnavailableError } from "../../src/errors.js";
import type { JwksEvent } from "../../src/jwks/jwks-event.js";
import { type JwksOptions, resolveJwksOptions } from "../../src/jwks/jwks-options.js";
import { noTelemetry } from "../../src/telemetry/telemetry.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createDiscovery, type Discovery } from "../../src/verify/discovery.js";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_KEYS_UNAVAILABLE" };

interface Place {
  readonly name: string;
}

describe("createDiscovery()", () => {
  let clock: ManualClock;
  let searches: number;
  let find: (signal: AbortSignal, latest: Place | undefined) => Promise<Place>;
  let events: JwksEvent[];
  let counted: unknown[];
  let disposal: AbortController;
  beforeEach(() => {
    clock = createManualClock();
    searches = 0;
    find = async () => ({ name: "first" });
    events = [];
    counted = [];
    disposal = new AbortController();
  });

  function create(options: JwksOptions = {}): Discovery<Place> {
    const telemetry = { ...noTelemetry, count: (...measured: unknown[]) => void counted.push(measured) };
    const onEvent = (event: JwksEvent): void => void events.push(event);
    return createDiscovery({
      issuer: "https://idp.test",
      settings: resolveJwksOptions({ clock, telemetry, onEvent, ...options }, "options"),
      disposal: disposal.signal,
      find(signal, latest) {
        searches++;
        return find(signal, latest);
      },
    });
  }
  const fail = (code: "ERR_KEYS_UNAVAILABLE" | "ERR_KEYS_INVALID", retryAfterMs?: number) => async () => {
    throw new KeysUnavailableError(code, "no", retryAfterMs === undefined ? {} : { retryAfterMs });
  };
  const hang = (signal: AbortSignal): Promise<never> =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

  it("H1: looks once, for all who wait, and keeps what it finds", async () => {
    const discovery = create();
    expect([searches, discovery.peek()]).toEqual([0, undefined]);
    const found = await Promise.all(Array.from({ length: 500 }, () => discovery.get()));
    expect(new Set(found).size).toBe(1);
    expect(await discovery.get()).toBe(found[0]);
    expect(discovery.peek()).toBe(found[0]);
    expect(searches).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    ["an outage", () => fail("ERR_KEYS_UNAVAILABLE"), "ERR_KEYS_UNAVAILABLE"],
    ["a bad document", () => fail("ERR_KEYS_INVALID"), "ERR_KEYS_INVALID"],
    ["a place that must not be asked", () => async () => Promise.reject(new TypeError("private")), "ERR_KEYS_INVALID"],
  ])("H3: however many ask, looks once per cooldown after %s", async (_name, failure, code) => {
    find = failure();
    const discovery = create();
    const flood = async (): Promise<unknown[]> => {
      const outcomes = await Promise.allSettled(Array.from({ length: 200 }, () => discovery.get()));
      return outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason : outcome.value));
    };
    for (const error of await flood()) expect(error).toMatchObject({ code, retryAfterMs: 30 * SECOND });
    await clock.advance(10 * SECOND);
    for (const error of await flood()) expect(error).toMatchObject({ code, retryAfterMs: 20 * SECOND });
    await clock.advance(20 * SECOND - 1);
    await flood();
    expect(searches).toBe(1);
    await clock.advance(1);
    await flood();
    expect(searches).toBe(2);
    find = async () => ({ name: "back" });
    await clock.advance(30 * SECOND);
    expect(await discovery.get()).toEqual({ name: "back" });
  });

  it("H3: counts the cooldown from before the search, not from its end", async () => {
    find = hang;
    const discovery = create();
    const refused = expect(discovery.get()).rejects.toMatchObject({ ...UNAVAILABLE, retryAfterMs: 22 * SECOND });
    await clock.advance(8 * SECOND);
    await refused;
    await clock.advance(22 * SECOND);
    find = async () => ({ name: "back" });
    await discovery.get();
    expect(searches).toBe(2);
  });

  it("H6: waits for as long as it was asked to", async () => {
    find = fail("ERR_KEYS_UNAVAILABLE", 120 * SECOND);
    const discovery = create();
    await expect(discovery.get()).rejects.toMatchObject({ retryAfterMs: 120 * SECOND });
    await clock.advance(120 * SECOND - 1);
    await expect(discovery.get()).rejects.toMatchObject({ retryAfterMs: 1 });
    expect(searches).toBe(1);
    await clock.advance(1);
    await expect(discovery.get()).rejects.toMatchObject(UNAVAILABLE);
    expect(searches).toBe(2);
  });

  it("says no wait when there is none left", async () => {
    find = hang;
    const discovery = create({ cooldownMs: 1 });
    const failed = discovery.get().catch((error: unknown) => error);
    await clock.advance(8 * SECOND);
    expect(await failed).toMatchObject({ ...UNAVAILABLE, retryAfterMs: undefined });
  });

  it("H6: serves what it has while it looks again, for as long as that fails", async () => {
    const discovery = create();
    const first = await discovery.get();
    await clock.advance(HOUR - 1);
    await discovery.get();
    expect(searches).toBe(1);
    find = fail("ERR_KEYS_UNAVAILABLE");
    for (let elapsed = 0; elapsed < 50; elapsed++) {
      await clock.advance(elapsed === 0 ? 1 : HOUR);
      expect(await Promise.all([discovery.get(), discovery.get()])).toEqual([first, first]);
    }
    expect(searches).toBe(51);
    find = async () => ({ name: "moved" });
    await clock.advance(HOUR);
    await discovery.get();
    await expect.poll(() => discovery.peek()).toEqual({ name: "moved" });
    expect(events.at(-1)).toEqual({ type: "discovered", changed: true });
  });

  it("looks again when told to, once per cooldown", async () => {
    const discovery = create({ cooldownMs: 60 * SECOND });
    const first = await discovery.get();
    find = async (_, latest) => latest ?? { name: "another" };
    discovery.again();
    await clock.advance(60 * SECOND - 1);
    discovery.again();
    expect(searches).toBe(1);
    await clock.advance(1);
    for (let times = 0; times < 10; times++) discovery.again();
    await clock.advance(0);
    expect(searches).toBe(2);
    expect(discovery.peek()).toBe(first);
    expect(events).toEqual([
      { type: "discovered", changed: true },
      { type: "discovered", changed: false },
    ]);
  });

  it("turns callers away when too many wait", async () => {
    find = hang;
    const discovery = create({ maxPendingCallers: 2 });
    const waiting = [discovery.get(), discovery.get()].map((call) => expect(call).rejects.toMatchObject(UNAVAILABLE));
    await expect(discovery.get()).rejects.toMatchObject({ code: "ERR_TOO_MANY_PENDING", retryAfterMs: 3_000 });
    await clock.advance(8 * SECOND);
    await Promise.all(waiting);
  });

  it("tells and counts how each search ends", async () => {
    find = fail("ERR_KEYS_INVALID");
    const discovery = create({ labels: { service: "jobs" } });
    for (let times = 0; times < 2; times++) {
      await discovery.get().catch(() => {});
      await clock.advance(30 * SECOND);
    }
    find = async () => ({ name: "first" });
    await discovery.get();
    expect(events).toEqual([
      { type: "discovery_failed", code: "ERR_KEYS_INVALID", consecutiveFailures: 1 },
      { type: "discovery_failed", code: "ERR_KEYS_INVALID", consecutiveFailures: 2 },
      { type: "discovered", changed: true },
    ]);
    const labels = { service: "jobs", issuer: "https://idp.test" };
    expect(counted).toEqual(
      ["ERR_KEYS_INVALID", "ERR_KEYS_INVALID", "ok"].map((outcome) => [
        "latchkey.verify.discoveries",
        { ...labels, outcome },
      ]),
    );
  });

  it("H16: ends what is under way, and begins nothing more", async () => {
    find = hang;
    const discovery = create();
    const refused = expect(discovery.get()).rejects.toThrow("disposed");
    disposal.abort(new Error("disposed"));
    await refused;
    await expect(discovery.get()).rejects.toThrow("disposed");
    discovery.again();
    expect([searches, clock.pendingTimers, events, counted]).toEqual([1, 0, [], []]);
  });

  it("H16: tells nothing of what is found in the moment in which it ends", async () => {
    find = async () => {
      disposal.abort(new Error("disposed"));
      return { name: "late" };
    };
    const discovery = create();
    await expect(discovery.get()).rejects.toThrow("disposed");
    expect([discovery.peek(), events, counted]).toEqual([undefined, [], []]);
  });
});
