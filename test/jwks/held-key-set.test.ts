import { describe, expect, it } from "vitest";
import { createHeldKeySet } from "../../src/jwks/held-key-set.js";
import { type KeySet, parseKeySet } from "../../src/jwks/key-set.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer } from "../../src/testing/test-issuer.js";

async function makeSet(): Promise<KeySet> {
  return parseKeySet((await createTestIssuer()).jwks(), { maxKeys: 10 });
}

describe("createHeldKeySet()", () => {
  it("serves a set to the end of its stale window, counted from its request", async () => {
    const clock = createManualClock();
    const held = createHeldKeySet(1_000, clock);
    expect(held.usable()).toBeUndefined();
    await clock.advance(500);
    const keySet = await makeSet();
    held.store({ keySet, sequence: 1, requestedAtMs: 0, ttlMs: 2_000 });
    await clock.advance(2_499);
    expect(held.usable()).toBe(keySet);
    await clock.advance(1);
    expect(held.usable()).toBeUndefined();
    expect(held.latest()?.keySet).toBe(keySet);
  });

  it("H17: keeps a set from a later request", async () => {
    const held = createHeldKeySet(1_000, createManualClock());
    const [older, newer] = [await makeSet(), await makeSet()];
    held.store({ keySet: newer, sequence: 2, requestedAtMs: 0, ttlMs: 1_000 });
    held.store({ keySet: older, sequence: 1, requestedAtMs: 0, ttlMs: 9_000 });
    expect(held.latest()).toMatchObject({ keySet: newer, ttlMs: 1_000 });
  });

  it("tells its listeners of other keys, each as often as it listens, whatever another listener does", async () => {
    const held = createHeldKeySet(1_000, createManualClock());
    let calls = 0;
    const listener = (): void => void calls++;
    held.onChange(() => {
      throw new Error("listener");
    });
    held.onChange(listener);
    const second = held.onChange(listener);
    const keySet = await makeSet();
    held.store({ keySet, sequence: 1, requestedAtMs: 0, ttlMs: 1_000 });
    expect(calls).toBe(2);
    held.store({ keySet, sequence: 2, requestedAtMs: 0, ttlMs: 1_000 });
    expect(calls).toBe(2);
    second[Symbol.dispose]();
    held.store({ keySet: await makeSet(), sequence: 3, requestedAtMs: 0, ttlMs: 1_000 });
    expect(calls).toBe(3);
  });
});
