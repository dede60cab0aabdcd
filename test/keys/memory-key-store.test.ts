import { describe, expect, it } from "vitest";
import type { StoredKey } from "../../src/keys/key-store.js";
import { memoryKeyStore } from "../../src/keys/memory-key-store.js";
import { createSecret } from "../../src/lib/secret.js";

const key = (kid: string): StoredKey => ({ kid, privateJwk: createSecret({}), publishedAtMs: 0, signsFromMs: 0 });

describe("memoryKeyStore()", () => {
  it("gives what was saved, as an array of its own", async () => {
    const store = memoryKeyStore();
    expect(await store.load()).toEqual([]);
    const saved = [key("a")];
    expect(await store.save(saved, [])).toBe(true);
    saved.push(key("b"));
    expect((await store.load()).map(({ kid }) => kid)).toEqual(["a"]);
  });

  it("saves nothing when the store holds other keys than those to replace", async () => {
    const store = memoryKeyStore();
    await store.save([key("a")], []);
    for (const replacing of [[], [key("b")], [key("a"), key("b")]]) {
      expect(await store.save([key("c")], replacing)).toBe(false);
    }
    expect((await store.load()).map(({ kid }) => kid)).toEqual(["a"]);
  });

  it("tells its watchers of every change until they are disposed", async () => {
    const store = memoryKeyStore();
    let changes = 0;
    const watch = store.watch?.(() => changes++);
    await store.save([key("a")], []);
    await store.save([key("x")], [key("none")]);
    expect(changes).toBe(1);
    watch?.[Symbol.dispose]();
    await store.save([key("b")], [key("a")]);
    expect(changes).toBe(1);
  });
});
