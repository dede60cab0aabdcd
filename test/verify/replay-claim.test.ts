import { beforeEach, describe, expect, it } from "vitest";
import { KeysUnavailableError } from "../../src/errors.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { type ClaimProof, createClaimProof } from "../../src/verify/replay-claim.js";
import type { ReplayStore } from "../../src/verify/replay-store.js";

const UNAVAILABLE = { name: "KeysUnavailableError", code: "ERR_REPLAY_UNAVAILABLE" };
const LIMITS = { timeoutMs: 250, maxPending: 2 };
const signal = new AbortController().signal;

describe("createClaimProof()", () => {
  let clock: ManualClock;
  beforeEach(() => {
    clock = createManualClock();
  });
  function create(claim: (...of: Parameters<ReplayStore["claim"]>) => unknown): ClaimProof {
    return createClaimProof({ claim: claim as ReplayStore["claim"] }, LIMITS, clock);
  }

  it("lets pass what the store takes for new, and refuses what it knows, at once or later", async () => {
    for (const claim of [(id: string) => id === "new", async (id: string) => id === "new"]) {
      const claimProof = create(claim);
      await expect(claimProof("new", 1, signal)).resolves.toBeUndefined();
      await expect(claimProof("old", 1, signal)).rejects.toMatchObject({
        name: "TokenRejectedError",
        code: "ERR_PROOF_REPLAYED",
      });
    }
    expect(clock.pendingTimers).toBe(0);
  });

  it("gives the store the id, the time and a signal", async () => {
    const seen: unknown[] = [];
    await create((...of) => seen.push(...of) > 0)("id", 17, signal);
    expect(seen).toEqual(["id", 17, { signal: expect.any(AbortSignal) }]);
  });

  it.each([undefined, null, 1, 0, "OK", "true", {}])("E10: refuses when the store answers %j", async (answer) => {
    await expect(create(() => answer)("id", 1, signal)).rejects.toMatchObject(UNAVAILABLE);
    await expect(create(async () => answer)("id", 1, signal)).rejects.toMatchObject(UNAVAILABLE);
  });

  it("E10: refuses when the store fails, and keeps the cause", async () => {
    const cause = new Error("connection refused");
    const fail = (): never => {
      throw cause;
    };
    await expect(create(fail)("id", 1, signal)).rejects.toMatchObject({ ...UNAVAILABLE, cause });
    await expect(create(async () => fail())("id", 1, signal)).rejects.toMatchObject({ ...UNAVAILABLE, cause });
  });

  it("passes on what a store of ours says, such as that it is full", async () => {
    const full = new KeysUnavailableError("ERR_TOO_MANY_PENDING", "full");
    const claimProof = create(() => {
      throw full;
    });
    await expect(claimProof("id", 1, signal)).rejects.toBe(full);
  });

  it("E10: waits for a slow store no longer than the limit, tells it, and takes no late answer", async () => {
    const answer = Promise.withResolvers<boolean>();
    let given: AbortSignal | undefined;
    const claiming = create((_, __, options) => {
      given = options.signal;
      return answer.promise;
    })("id", 1, signal);
    const outcome = expect(claiming).rejects.toMatchObject(UNAVAILABLE);
    await clock.advance(249);
    expect(given?.aborted).toBe(false);
    await clock.advance(1);
    expect(given?.aborted).toBe(true);
    answer.resolve(true);
    await outcome;
  });

  it("takes a late failure of the store for nobody's", async () => {
    const answer = Promise.withResolvers<boolean>();
    const outcome = expect(create(() => answer.promise)("id", 1, signal)).rejects.toMatchObject(UNAVAILABLE);
    await clock.advance(250);
    await outcome;
    answer.reject(new Error("late"));
    await clock.advance(0);
  });

  it("ends the wait of a caller who leaves, with the caller's reason", async () => {
    const leaving = new AbortController();
    const claiming = create(() => new Promise(() => {}))("id", 1, leaving.signal);
    const outcome = expect(claiming).rejects.toThrow("gone");
    leaving.abort(new Error("gone"));
    await outcome;
    expect(clock.pendingTimers).toBe(0);
  });

  it("turns away more callers than may wait, and has room when they are done", async () => {
    const answers: ((isNew: boolean) => void)[] = [];
    const claimProof = create(() => new Promise<boolean>((resolve) => answers.push(resolve)));
    const waiting = [claimProof("a", 1, signal), claimProof("b", 1, signal)];
    await expect(claimProof("c", 1, signal)).rejects.toMatchObject({ code: "ERR_TOO_MANY_PENDING" });
    expect(answers).toHaveLength(2);
    for (const answer of answers.splice(0)) answer(true);
    await Promise.all(waiting);
    const next = claimProof("c", 1, signal);
    answers[0]?.(true);
    await expect(next).resolves.toBeUndefined();
  });
});
