import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createKeyRing, type KeyRing, type KeyRingOptions } from "../../src/keys/key-ring.js";
import type { KeyStore } from "../../src/keys/key-store.js";
import { memoryKeyStore } from "../../src/keys/memory-key-store.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { faultyKeyStore } from "../support/key-stores.js";

const GRACE_MS = 10 * 60 * 1000;
const LIFETIME_MS = 60 * 60 * 1000;
const TOLERANCE_MS = 5 * 1000;

function ringOver(store: KeyStore, clock: ManualClock, options: Partial<KeyRingOptions> = {}): KeyRing {
  return createKeyRing({
    store,
    clock,
    gracePeriodMs: GRACE_MS,
    maxTokenLifetimeMs: LIFETIME_MS,
    clockToleranceMs: TOLERANCE_MS,
    ...options,
  });
}

const signingKid = async (ring: KeyRing): Promise<string> => (await ring.signingKey()).kid;
const publishedKids = async (ring: KeyRing): Promise<unknown[]> => (await ring.publicKeys()).map(({ kid }) => kid);
const states = async (ring: KeyRing): Promise<string[]> => (await ring.keys()).map(({ state }) => state);

describe("createKeyRing()", () => {
  it("makes a key on first use that signs at once, and publishes it", async () => {
    const ring = ringOver(memoryKeyStore(), createManualClock(), { algorithm: "EdDSA" });
    const key = await ring.signingKey();
    expect(key.algorithm).toBe("EdDSA");
    expect(await ring.publicKeys()).toEqual([key.publicJwk]);
    expect(await ring.signingKey()).toBe(key);
  });

  it("publishes a new key a grace period before it signs, and the old one until its last token has expired", async () => {
    const clock = createManualClock(1_000_000);
    const ring = ringOver(memoryKeyStore(), clock);
    const first = await signingKid(ring);
    const next = await ring.rotate();
    expect(next).toMatchObject({ state: "pending", algorithm: "ES256", signsFromMs: 1_000_000 + GRACE_MS });

    expect(await publishedKids(ring)).toEqual([first, next.kid]);
    await clock.advance(GRACE_MS - 1);
    expect(await signingKid(ring)).toBe(first);
    await clock.advance(1);
    expect(await signingKid(ring)).toBe(next.kid);
    expect(await states(ring)).toEqual(["retiring", "signing"]);

    await clock.advance(LIFETIME_MS + TOLERANCE_MS - 1);
    expect(await publishedKids(ring)).toEqual([first, next.kid]);
    await clock.advance(1);
    expect(await publishedKids(ring)).toEqual([next.kid]);
  });

  it("changes nothing when asked to rotate while a key waits for its turn", async () => {
    const clock = createManualClock();
    const store = memoryKeyStore();
    const ring = ringOver(store, clock);
    const [one, two] = await Promise.all([ring.rotate(), ringOver(store, clock).rotate()]);
    await clock.advance(GRACE_MS - 1);
    expect(two.kid).toBe(one.kid);
    expect((await ring.rotate()).kid).toBe(one.kid);
    expect(await store.load()).toHaveLength(2);
    await clock.advance(1);
    expect((await ring.rotate()).kid).not.toBe(one.kid);
    expect(await states(ring)).toEqual(["retiring", "signing", "pending"]);
  });

  it("deletes a key whose tokens have all expired at the next rotation", async () => {
    const clock = createManualClock();
    const store = memoryKeyStore();
    const ring = ringOver(store, clock);
    const first = await signingKid(ring);
    await ring.rotate();
    await clock.advance(GRACE_MS + LIFETIME_MS + TOLERANCE_MS);
    expect((await store.load()).map(({ kid }) => kid)).toContain(first);
    await ring.rotate();
    expect((await store.load()).map(({ kid }) => kid)).not.toContain(first);
  });

  it("agrees with other rings over the store, those that begin at the same instant included", async () => {
    const clock = createManualClock();
    const store = memoryKeyStore();
    const rings = Array.from({ length: 5 }, () => ringOver(store, clock));
    expect(new Set(await Promise.all(rings.map(signingKid))).size).toBe(1);
    await Promise.all(rings.map((ring) => ring.rotate()));
    await clock.advance(GRACE_MS);
    const kids = await Promise.all(rings.map(signingKid));
    expect(new Set(kids)).toEqual(new Set([(await store.load())[1]?.kid]));
  });

  it("sees what others do to a store without a watch within a tenth of the grace period, at most 10 s", async () => {
    const clock = createManualClock();
    const store = faultyKeyStore();
    const ring = ringOver(store, clock);
    await ring.signingKey();
    const { kid } = await ringOver(store, clock).rotate();
    const loads = store.loads;
    await clock.advance(9_999);
    expect(await publishedKids(ring)).not.toContain(kid);
    expect(store.loads).toBe(loads);
    const imported = await ring.signingKey();
    await clock.advance(1);
    expect(await publishedKids(ring)).toContain(kid);
    expect(await ring.signingKey()).toBe(imported);
    const hasty = ringOver(store, clock, { gracePeriodMs: 1_000 });
    await hasty.keys();
    await clock.advance(100);
    await hasty.keys();
    expect(store.loads).toBe(loads + 3);
  });

  it("reads the store once for calls at the same time", async () => {
    const store = faultyKeyStore();
    const ring = ringOver(store, createManualClock());
    await Promise.all([ring.signingKey(), ring.publicKeys(), ring.keys()]);
    // Empty, then with the key that was made.
    expect(store.loads).toBe(2);
  });

  it("goes on with the keys it has while the store fails, hangs or is empty, and says so", async () => {
    const clock = createManualClock();
    const store = faultyKeyStore();
    const heard: unknown[] = [];
    const ring = ringOver(store, clock, { onStoreError: (error) => heard.push(error) });
    const kid = await signingKid(ring);

    const broken = new Error("broken");
    store.fault = () => Promise.reject(broken);
    await clock.advance(10_000);
    expect(await signingKid(ring)).toBe(kid);
    expect(await publishedKids(ring)).toEqual([kid]);
    expect(heard).toEqual([broken]);
    await expect(ring.rotate()).rejects.toBe(broken);

    store.fault = () => new Promise(() => {});
    await clock.advance(10_000);
    const waiting = signingKid(ring);
    await clock.advance(5_000);
    expect(await waiting).toBe(kid);
    expect(heard[1]).toMatchObject({ code: "ERR_CREDENTIAL_STORE" });
  });

  it("does not replace the keys of a store that is suddenly empty", async () => {
    const clock = createManualClock();
    const store = faultyKeyStore();
    const heard: unknown[] = [];
    const ring = ringOver(store, clock, { onStoreError: (error) => heard.push(error) });
    const kid = await signingKid(ring);
    store.clear();
    await clock.advance(10_000);
    expect(await signingKid(ring)).toBe(kid);
    expect(heard).toMatchObject([{ code: "ERR_KEY_MISSING" }]);
    await expect(ring.rotate()).rejects.toMatchObject({ code: "ERR_KEY_MISSING" });
    expect(await store.load()).toEqual([]);
  });

  it("rejects while the store was never read, and tries again at the next call", async () => {
    const clock = createManualClock();
    const store = faultyKeyStore();
    const ring = ringOver(store, clock);
    const broken = new Error("broken");
    store.fault = () => Promise.reject(broken);
    await expect(ring.signingKey()).rejects.toBe(broken);
    store.fault = undefined;
    expect(await signingKid(ring)).toBeTypeOf("string");
  });

  it("gives up on a store that takes no key and stays empty", async () => {
    const store: KeyStore = { load: async () => [], save: async () => false };
    const ring = ringOver(store, createManualClock());
    await expect(ring.signingKey()).rejects.toMatchObject({ code: "ERR_CREDENTIAL_STORE" });
  });

  it("gives up on rotating when others change the store without end", async () => {
    const inner = memoryKeyStore();
    const clock = createManualClock();
    await ringOver(inner, clock).signingKey();
    const ring = ringOver({ load: inner.load, save: async () => false }, clock);
    await expect(ring.rotate()).rejects.toMatchObject({ code: "ERR_CREDENTIAL_STORE" });
  });

  it("D7: keeps signing and seeing changes when the wall clock is set back", async () => {
    const clock = createManualClock();
    const store = faultyKeyStore();
    const ring = ringOver(store, clock);
    const kid = await signingKid(ring);
    clock.setWallClock(clock.nowMs() - 3_600_000);
    expect(await signingKid(ring)).toBe(kid);
    const next = await ringOver(store, clock).rotate();
    await clock.advance(10_000);
    expect(await publishedKids(ring)).toContain(next.kid);
  });

  it("ends its watch when disposed", async () => {
    const inner = memoryKeyStore();
    let watches = 0;
    const store: KeyStore = {
      ...inner,
      watch: () => {
        watches++;
        return { [Symbol.dispose]: () => void watches-- };
      },
    };
    const ring = ringOver(store, createManualClock());
    await ring.signingKey();
    expect(watches).toBe(1);
    ring[Symbol.dispose]();
    expect(watches).toBe(0);

    const late = ringOver(store, createManualClock());
    const starting = late.signingKey();
    late[Symbol.dispose]();
    await starting;
    expect(watches).toBe(0);
  });

  it("leaves no timer behind", async () => {
    const clock = createManualClock();
    const ring = ringOver(memoryKeyStore(), clock);
    await ring.rotate();
    await clock.advance(GRACE_MS);
    await ring.signingKey();
    expect(clock.pendingTimers).toBe(0);
  });

  it("L1: shows no private key when printed, nor do the stored keys", async () => {
    const store = memoryKeyStore();
    const ring = ringOver(store, createManualClock());
    await ring.rotate();
    const stored = await store.load();
    const shown = inspect([ring, await ring.keys(), await ring.signingKey(), stored], { depth: 9, showHidden: true });
    for (const { privateJwk } of stored) {
      expect(shown + JSON.stringify(stored)).not.toContain(privateJwk.reveal().d);
    }
  });

  it.each<[string, Partial<Record<keyof KeyRingOptions, unknown>>]>([
    ["store", { store: undefined }],
    ["algorithm", { algorithm: "HS256" }],
    ["gracePeriodMs", { gracePeriodMs: 0 }],
    ["gracePeriodMs", { gracePeriodMs: "5m" }],
    ["maxTokenLifetimeMs", { maxTokenLifetimeMs: Number.POSITIVE_INFINITY }],
    ["clockToleranceMs", { clockToleranceMs: -1 }],
  ])("refuses a bad %s at construction", (field, bad) => {
    const create = (): KeyRing => ringOver(memoryKeyStore(), createManualClock(), bad as Partial<KeyRingOptions>);
    expect(create).toThrow(field);
  });

  it("keeps the clock tolerance that its documentation names", async () => {
    const clock = createManualClock(0);
    const ring = createKeyRing({ store: memoryKeyStore(), clock, gracePeriodMs: 1_000, maxTokenLifetimeMs: 2_000 });
    await ring.rotate();
    expect((await ring.keys())[0]?.retiresAtMs).toBe(1_000 + 2_000 + 60_000);
  });

  it("never signs before the grace period and never withdraws the key of a token that lives", async () => {
    const step = fc.oneof(
      fc.record({ act: fc.constant("wait" as const), ms: fc.nat(GRACE_MS) }),
      fc.record({ act: fc.constant("wait" as const), ms: fc.nat(LIFETIME_MS) }),
      fc.record({ act: fc.constant("rotate" as const), ring: fc.nat(1) }),
      fc.record({ act: fc.constant("restart" as const), ring: fc.nat(1) }),
      fc.record({ act: fc.constant("sign" as const), ring: fc.nat(1), lifetimeMs: fc.nat(LIFETIME_MS) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const clock = createManualClock(0);
        const store = faultyKeyStore();
        const rings = [ringOver(store, clock), ringOver(store, clock)];
        const publishedSinceMs = new Map<string, number>();
        const first = await signingKid(rings[0] as KeyRing);
        const tokens: { readonly kid: string; readonly acceptedUntilMs: number }[] = [];
        for (const one of steps) {
          if (one.act === "wait") await clock.advance(one.ms);
          else if (one.act === "rotate") await rings[one.ring]?.rotate();
          else if (one.act === "restart") rings[one.ring] = ringOver(store, clock);
          else {
            const kid = await signingKid(rings[one.ring] as KeyRing);
            tokens.push({ kid, acceptedUntilMs: clock.nowMs() + one.lifetimeMs + TOLERANCE_MS });
            expect(kid === first || clock.nowMs() - (publishedSinceMs.get(kid) ?? clock.nowMs()) >= GRACE_MS).toBe(
              true,
            );
          }
          const living = tokens.filter(({ acceptedUntilMs }) => clock.nowMs() < acceptedUntilMs).map(({ kid }) => kid);
          for (const ring of rings) expect(await publishedKids(ring)).toEqual(expect.arrayContaining(living));
          for (const { kid } of await store.load()) {
            if (!publishedSinceMs.has(kid)) publishedSinceMs.set(kid, clock.nowMs());
          }
        }
      }),
      { numRuns: 150 },
    );
  });
});
