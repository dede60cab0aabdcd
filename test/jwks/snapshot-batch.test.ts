import { afterEach, describe, expect, it } from "vitest";
import type { JwksSnapshot } from "../../src/jwks/jwks-snapshot.js";
import { persistSnapshots, restoreSnapshots } from "../../src/jwks/snapshot-batch.js";
import { createSnapshotKeeper, type SnapshotEntry, type SnapshotKeeper } from "../../src/jwks/snapshot-keeper.js";
import type { SnapshotStore } from "../../src/jwks/snapshot-store.js";
import { noTelemetry } from "../../src/telemetry/telemetry.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer } from "../../src/testing/test-issuer.js";
import { createSlowStore } from "../support/slow-store.js";

const URL = "https://idp.example/jwks.json";

describe("persistSnapshots() and restoreSnapshots()", () => {
  const clock = createManualClock();
  const keepers: SnapshotKeeper[] = [];
  afterEach(async () => {
    for (const keeper of keepers.splice(0)) void keeper[Symbol.asyncDispose]();
    await clock.advance(1_000);
  });

  function keep(store: SnapshotStore): SnapshotKeeper {
    const context = { clock, telemetry: noTelemetry, onFailure() {} };
    const keeper = createSnapshotKeeper({ store, secret: "x".repeat(32) }, context);
    keepers.push(keeper);
    return keeper;
  }
  async function takeKeys(): Promise<JwksSnapshot> {
    const [key] = (await createTestIssuer()).jwks().keys;
    if (key === undefined) throw new Error("the test issuer has no key");
    const { kid = "", kty = "", crv = "", x = "", y = "" } = key;
    return { url: URL, keys: [{ kid, kty, crv, x, y }], fetchedAtMs: clock.nowMs(), ttlMs: 600_000 };
  }
  function list(count: number, jwks: (index: number) => SnapshotEntry["jwks"]): SnapshotEntry[] {
    const settings = { maxBodyBytes: 512 * 1_024, staleWhileErrorMs: 600_000 };
    return Array.from({ length: count }, (_, index) => {
      return { tenantId: `t${index}`, providerId: "p", issuer: undefined, url: URL, settings, jwks: jwks(index) };
    });
  }

  it("say what became of each provider", async () => {
    const snapshot = await takeKeys();
    const texts = new Map<string, string>();
    const store: SnapshotStore = {
      get(key) {
        if (key.endsWith(":t3:p")) throw new Error("READONLY");
        return texts.get(key);
      },
      set(key, text) {
        if (key.endsWith(":t2:p")) throw new Error("READONLY");
        return texts.set(key, text);
      },
      delete() {},
    };
    const taken: number[] = [];
    const providers = list(200, (index) => ({
      snapshot: () => (index === 1 ? undefined : snapshot),
      async hydrate(given) {
        expect(given).toEqual(snapshot);
        taken.push(index);
        return index % 2 === 0;
      },
    }));
    expect(await persistSnapshots(keep(store), providers)).toEqual({ done: 198, missing: 1, refused: 0, failed: 1 });
    texts.set("latchkey:jwks:t4:p", "garbage");
    expect(await restoreSnapshots(keep(store), providers)).toEqual({ done: 98, missing: 2, refused: 99, failed: 1 });
    expect(taken.length).toBe(196);
  });

  it("have nothing to do for nobody", async () => {
    const nothing = { done: 0, missing: 0, refused: 0, failed: 0 };
    expect(await persistSnapshots(keep(new Map()), [])).toEqual(nothing);
    expect(await restoreSnapshots(keep(new Map()), [])).toEqual(nothing);
  });

  it("take no more key sets at a time than the store is asked to keep", async () => {
    const snapshot = await takeKeys();
    const store = createSlowStore(new Map());
    let taken = 0;
    const providers = list(100, () => ({
      snapshot() {
        taken++;
        return snapshot;
      },
      hydrate: async () => true,
    }));
    const persisting = persistSnapshots(keep(store), providers);
    await store.reached(32);
    await clock.advance(0);
    expect(taken).toBe(32);
    expect(store.asked.length).toBe(32);
    store.finish(0);
    await store.reached(33);
    expect(taken).toBe(33);
    for (let index = 1; index < 100; index++) {
      await store.reached(index + 1);
      store.finish(index);
    }
    expect(await persisting).toEqual({ done: 100, missing: 0, refused: 0, failed: 0 });
  });

  it("I3: end soon for a thousand providers when the store never answers", async () => {
    const providers = list(1_000, () => ({ snapshot: () => undefined, hydrate: async () => true }));
    const store = createSlowStore(new Map());
    const restoring = restoreSnapshots(keep(store), providers);
    await clock.advance(200);
    expect(await restoring).toEqual({ done: 0, missing: 0, refused: 0, failed: 1_000 });
    expect(store.asked.length).toBeLessThan(40);
  });
});
