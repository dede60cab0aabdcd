import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { Labels } from "../../src/telemetry/telemetry.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import {
  createPolledRevocation,
  type LoadRevocations,
  type PolledRevocation,
  type PolledRevocationOptions,
} from "../../src/verify/polled-revocation.js";
import type { RevocationQuery } from "../../src/verify/revocation.js";
import type { RevocationEntry } from "../../src/verify/revocation-entry.js";

const SECOND = 1_000;
const A = "https://a.test";
const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_REVOCATION_UNAVAILABLE" };
const QUERY: RevocationQuery = { issuer: A, kid: "k1", jti: "t1", subject: "alice", issuedAt: 1_000 };

describe("createPolledRevocation()", () => {
  let clock: ManualClock;
  let counted: (string | undefined)[];
  let loads: number;
  /** What a load gives. */
  let answer: LoadRevocations;
  const open: PolledRevocation[] = [];

  beforeEach(() => {
    clock = createManualClock();
    counted = [];
    loads = 0;
    answer = async () => [];
  });
  afterEach(() => {
    for (const revocation of open.splice(0)) revocation[Symbol.dispose]();
    expect(clock.pendingTimers).toBe(0);
  });

  function create(options: PolledRevocationOptions = {}): PolledRevocation {
    const telemetry = {
      count: (name: string, labels?: Labels) => {
        expect(name).toBe("latchkey.verify.revocation_loads");
        counted.push(labels?.["outcome"]);
      },
      record() {},
    };
    const load: LoadRevocations = (loadOptions) => {
      loads++;
      return answer(loadOptions);
    };
    const revocation = createPolledRevocation(load, { telemetry, clock, ...options });
    open.push(revocation);
    return revocation;
  }
  const give =
    (...entries: RevocationEntry[]): LoadRevocations =>
    async () =>
      entries;
  const fail: LoadRevocations = async () => {
    throw new Error("no connection");
  };
  const never: LoadRevocations = () => new Promise(() => {});

  it("E12: knows what the list says, and answers without a promise", async () => {
    answer = give(
      { issuer: A, jti: "t1" },
      { issuer: A, kid: "k2" },
      { issuer: A, subject: "bob", issuedBefore: 2_000 },
    );
    const revocation = create();
    await revocation.refresh();
    expect(revocation.isRevoked(QUERY)).toBe(true);
    expect(revocation.isRevoked({ ...QUERY, jti: "t2" })).toBe(false);
    expect(revocation.isRevoked({ ...QUERY, jti: "t2", kid: "k2" })).toBe(true);
    expect(revocation.isRevoked({ ...QUERY, jti: "t2", subject: "bob" })).toBe(true);
    expect(revocation.isRevoked({ ...QUERY, jti: "t2", subject: "bob", issuedAt: 2_000 })).toBe(false);
    expect(counted).toEqual(["ok"]);
  });

  it("loads again after each interval, and lets the new list take the place of the old", async () => {
    answer = give({ issuer: A, jti: "t1" });
    const revocation = create();
    await revocation.refresh();
    answer = give({ issuer: A, jti: "t2" });
    await clock.advance(30 * SECOND - 1);
    expect([loads, revocation.isRevoked(QUERY)]).toEqual([1, true]);
    await clock.advance(1);
    expect(loads).toBe(2);
    expect(revocation.isRevoked(QUERY)).toBe(false);
    expect(revocation.isRevoked({ ...QUERY, jti: "t2" })).toBe(true);
    await clock.advance(30 * SECOND);
    expect(loads).toBe(3);
  });

  it("E12: cannot say before the first list is there", async () => {
    const gate = Promise.withResolvers<RevocationEntry[]>();
    answer = () => gate.promise;
    const revocation = create();
    expect(() => revocation.isRevoked(QUERY)).toThrow(expect.objectContaining(UNAVAILABLE));
    gate.resolve([]);
    await revocation.refresh();
    expect(loads).toBe(1);
    expect(revocation.isRevoked(QUERY)).toBe(false);
  });

  it("E12: cannot say once the list is too old, counted from when it was asked for", async () => {
    const gate = Promise.withResolvers<RevocationEntry[]>();
    answer = () => gate.promise;
    const revocation = create({ maxStaleMs: 60 * SECOND });
    await clock.advance(5 * SECOND);
    gate.resolve([]);
    await revocation.refresh();
    answer = fail;
    await clock.advance(55 * SECOND - 1);
    expect(revocation.isRevoked(QUERY)).toBe(false);
    await clock.advance(1);
    expect(() => revocation.isRevoked(QUERY)).toThrow(expect.objectContaining(UNAVAILABLE));
    answer = give({ issuer: A, jti: "t1" });
    await clock.advance(30 * SECOND);
    expect(revocation.isRevoked(QUERY)).toBe(true);
  });

  it("keeps the list in hand when a load fails, and tries again soon, then ever later, at the latest after the interval", async () => {
    answer = give({ issuer: A, jti: "t1" });
    const revocation = create({ maxStaleMs: 3_600 * SECOND });
    await revocation.refresh();
    answer = fail;
    await clock.advance(30 * SECOND);
    expect(loads).toBe(2);
    await clock.advance(SECOND);
    expect(loads).toBeGreaterThanOrEqual(3);
    expect(revocation.isRevoked(QUERY)).toBe(true);
    // As often as jitter may have it while the waits grow, and one for each interval after that.
    await clock.advance(300 * SECOND);
    expect(loads).toBeGreaterThan(10);
    const before = loads;
    await clock.advance(30 * SECOND);
    expect(loads).toBeGreaterThan(before);
    expect(new Set(counted)).toEqual(new Set(["ok", "failed"]));
  });

  it.each<readonly [string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["an object", { revoked: [] }],
    [
      "an entry that is none",
      [
        { issuer: A, jti: "t2" },
        { issuer: A, id: "t3" },
      ],
    ],
    ["an entry with a time that is none", [{ issuer: A, subject: "alice", issuedBefore: "now" }]],
    ["more entries than permitted", [1, 2, 3].map((at) => ({ issuer: A, jti: `other-${at}` }))],
  ])("E12: takes nothing of a list that is or has %s", async (_, list) => {
    answer = give({ issuer: A, jti: "t1" });
    const revocation = create({ maxEntries: 2 });
    await revocation.refresh();
    answer = async () => list as RevocationEntry[];
    await expect(revocation.refresh()).rejects.toMatchObject({ ...UNAVAILABLE, cause: { message: /list|entries/ } });
    expect(revocation.isRevoked(QUERY)).toBe(true);
    expect(revocation.isRevoked({ ...QUERY, jti: "t2" })).toBe(false);
    expect(counted).toEqual(["ok", "invalid"]);
  });

  it("gives a load up that takes too long, and tells it", async () => {
    let signal: AbortSignal | undefined;
    answer = (options) => {
      ({ signal } = options);
      return never(options);
    };
    const revocation = create();
    const first = revocation.refresh();
    first.catch(() => {});
    await clock.advance(10 * SECOND - 1);
    expect(signal?.aborted).toBe(false);
    answer = give();
    await clock.advance(1);
    await expect(first).rejects.toMatchObject(UNAVAILABLE);
    expect(signal?.aborted).toBe(true);
    expect(counted).toEqual(["timeout"]);
    await clock.advance(SECOND);
    expect(revocation.isRevoked(QUERY)).toBe(false);
  });

  it("drops a list that comes when it was given up, and reports no failure as unhandled", async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", listen);
    onTestFinished(() => void process.off("unhandledRejection", listen));
    const gates = [Promise.withResolvers<RevocationEntry[]>(), Promise.withResolvers<RevocationEntry[]>()] as const;
    answer = () => (loads === 1 ? gates[0].promise : gates[1].promise);
    const revocation = create();
    await clock.advance(10 * SECOND);
    await clock.advance(SECOND);
    expect(loads).toBe(2);
    gates[0].resolve([{ issuer: A, jti: "t1" }]);
    await clock.advance(0);
    expect(() => revocation.isRevoked(QUERY)).toThrow(expect.objectContaining(UNAVAILABLE));
    await clock.advance(10 * SECOND);
    gates[1].reject(new Error("late"));
    await clock.advance(0);
    expect(unhandled).toEqual([]);
  });

  it("has one load under way for all who refresh", async () => {
    const revocation = create();
    await Promise.all([revocation.refresh(), revocation.refresh(), revocation.refresh()]);
    expect(loads).toBe(1);
    await revocation.refresh();
    expect(loads).toBe(2);
    await clock.advance(30 * SECOND);
    expect(loads).toBe(3);
  });

  it("fails by a promise when a load throws at once", async () => {
    answer = () => {
      throw new TypeError("no such table");
    };
    await expect(create().refresh()).rejects.toMatchObject({ ...UNAVAILABLE, cause: { message: "no such table" } });
  });

  it("asks no more once disposed, ends what is under way, and answers on for the rest of its time", async () => {
    answer = give({ issuer: A, jti: "t1" });
    const revocation = create();
    await revocation.refresh();
    let signal: AbortSignal | undefined;
    answer = (options) => {
      ({ signal } = options);
      return never(options);
    };
    const refreshing = revocation.refresh();
    refreshing.catch(() => {});
    revocation[Symbol.dispose]();
    await expect(refreshing).rejects.toMatchObject(UNAVAILABLE);
    expect(signal?.aborted).toBe(true);
    expect(clock.pendingTimers).toBe(0);
    expect(revocation.isRevoked(QUERY)).toBe(true);
    await expect(revocation.refresh()).rejects.toMatchObject(UNAVAILABLE);
    await clock.advance(300 * SECOND);
    expect(loads).toBe(2);
    expect(() => revocation.isRevoked(QUERY)).toThrow(expect.objectContaining(UNAVAILABLE));
  });

  it("refuses options that cannot be used, by name", () => {
    const make = (options: object) => () => createPolledRevocation(give(), { clock, ...options });
    expect(() => createPolledRevocation(undefined as unknown as LoadRevocations)).toThrow(/load must be a function/);
    expect(make({ intervalMs: 0 })).toThrow(/intervalMs must be a positive/);
    expect(make({ timeoutMs: -1 })).toThrow(/timeoutMs must be a positive/);
    expect(make({ maxEntries: 0.5 })).toThrow(/maxEntries must be an integer/);
    expect(make({ maxStaleMs: 30 * SECOND })).toThrow(/maxStaleMs must exceed intervalMs/);
    expect(make({ interval: 1 })).toThrow(/interval is not an option/);
  });
});
