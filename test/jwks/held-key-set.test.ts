import { beforeEach, describe, expect, it } from "vitest";
import { createHeldKeySet, type HeldKeySet, type LoadedKeySet } from "../../src/jwks/held-key-set.js";
import { type KeySet, parseKeySet } from "../../src/jwks/key-set.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";

describe("createHeldKeySet()", () => {
  let clock: ManualClock;
  let issuer: TestIssuer;
  let held: HeldKeySet;
  beforeEach(async () => {
    clock = createManualClock();
    issuer = await createTestIssuer();
    held = createHeldKeySet(1_000, clock);
  });

  const parse = (): Promise<KeySet> => parseKeySet(issuer.jwks(), { maxKeys: 10 });
  async function load(loaded: Partial<LoadedKeySet> = {}): Promise<LoadedKeySet> {
    const keySet = loaded.keySet ?? (await parse());
    return { sequence: 1, requestedAtMs: 0, ttlMs: 1_000, validators: undefined, freshness: {}, ...loaded, keySet };
  }

  it("H7: serves a set to the end of its stale window, counted from its request", async () => {
    expect(held.usable()).toBeUndefined();
    expect(held.usableUntilMs()).toBeUndefined();
    expect(held.isStale()).toBe(false);
    await clock.advance(500);
    const loaded = await load({ ttlMs: 2_000 });
    expect(held.store(loaded)).toBe(true);
    expect(held.usableUntilMs()).toBe(3_000);
    await clock.advance(1_499);
    expect(held.isStale()).toBe(false);
    await clock.advance(1);
    expect(held.isStale()).toBe(true);
    await clock.advance(999);
    expect(held.usable()).toBe(loaded.keySet);
    await clock.advance(1);
    expect(held.usable()).toBeUndefined();
    expect(held.latest()).toEqual(loaded);
  });

  it("H17: keeps a set from a later request", async () => {
    const newer = await load({ sequence: 2 });
    await issuer.rotate();
    const older = await load({ sequence: 1, ttlMs: 9_000 });
    expect(held.store(newer)).toBe(true);
    expect(held.store(older)).toBe(false);
    expect(held.latest()).toEqual(newer);
  });

  it("E9: replaces the set as a whole", async () => {
    const removed = issuer.kid;
    held.store(await load());
    await issuer.rotate();
    issuer.remove(removed);
    expect(held.store(await load({ sequence: 2 }))).toBe(true);
    expect([...(held.usable()?.keys.keys() ?? [])]).toEqual([issuer.kid]);
  });

  it("keeps a key that has not changed the very same object, though it was imported twice", async () => {
    const [first, second] = [await load(), await load({ sequence: 2 })];
    expect(second.keySet.keys.get(issuer.kid)).not.toBe(first.keySet.keys.get(issuer.kid));
    held.store(first);
    expect(held.store(second)).toBe(false);
    expect(held.usable()?.keys.get(issuer.kid)).toBe(first.keySet.keys.get(issuer.kid));
    expect(held.latest()?.sequence).toBe(2);
  });

  it("tells its listeners of other keys, each as often as it listens, whatever another listener does", async () => {
    let calls = 0;
    const listener = (): void => void calls++;
    held.onChange(() => {
      throw new Error("listener");
    });
    held.onChange((): unknown => Promise.reject(new Error("listener")));
    held.onChange(listener);
    const second = held.onChange(listener);
    const loaded = await load();
    held.store(loaded);
    expect(calls).toBe(2);
    held.store({ ...loaded, sequence: 2 });
    expect(calls).toBe(2);
    second[Symbol.dispose]();
    await issuer.rotate();
    held.store(await load({ sequence: 3 }));
    expect(calls).toBe(3);
  });

  it("tells one who listens anew whenever told only once of each change", async () => {
    let calls = 0;
    const again = (): void => {
      calls++;
      held.onChange(again);
    };
    held.onChange(again);
    held.store(await load());
    expect(calls).toBe(1);
    await issuer.rotate();
    held.store(await load({ sequence: 2 }));
    expect(calls).toBe(3);
  });
});
