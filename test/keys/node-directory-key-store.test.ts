import { renameSync } from "node:fs";
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { createKeyRing, type KeyRing } from "../../src/keys/key-ring.js";
import type { StoredKey } from "../../src/keys/key-store.js";
import { directoryKeyStore } from "../../src/keys/node-directory-key-store.js";
import { createSecret } from "../../src/lib/secret.js";
import { temporaryDirectory } from "../support/temporary-directory.js";
import { startTypescript } from "../support/typescript-process.js";

const key = (kid: string): StoredKey => ({
  kid,
  privateJwk: createSecret({ kty: "OKP", d: "private" }),
  publishedAtMs: 1,
  signsFromMs: 2,
});

const kids = (keys: readonly StoredKey[]): readonly string[] => keys.map(({ kid }) => kid);
const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);

function ringOver(path: string, onStoreError?: (error: unknown) => void): KeyRing {
  const ring = createKeyRing({
    store: directoryKeyStore(path),
    gracePeriodMs: 1_000_000,
    maxTokenLifetimeMs: 1_000_000,
    ...(onStoreError !== undefined && { onStoreError }),
  });
  onTestFinished(() => ring[Symbol.dispose]());
  return ring;
}

describe("directoryKeyStore()", () => {
  it("keeps what was saved in one file that only its owner can read", async () => {
    const path = join(await temporaryDirectory(), "keys");
    const store = directoryKeyStore(path);
    expect(await store.load()).toEqual([]);
    expect(await store.save([key("a")], [])).toBe(true);
    expect(await store.save([key("a"), key("b")], [key("a")])).toBe(true);

    const loaded = await directoryKeyStore(path).load();
    expect(kids(loaded)).toEqual(["a", "b"]);
    expect(loaded[0]?.privateJwk.reveal()).toEqual({ kty: "OKP", d: "private" });
    expect(await readdir(path)).toEqual(["keys.2.json"]);
    expect([await modeOf(path), await modeOf(join(path, "keys.2.json"))]).toEqual(["700", "600"]);
  });

  it("lets exactly one of many savers at the same instant win", async () => {
    const path = await temporaryDirectory();
    for (let replacing: readonly StoredKey[] = [], round = 0; round < 10; round++) {
      const names = Array.from({ length: 8 }, (_, n) => `${round}-${n}`);
      const results = await Promise.all(names.map((name) => directoryKeyStore(path).save([key(name)], replacing)));
      expect(results.filter((saved) => saved)).toHaveLength(1);
      replacing = await directoryKeyStore(path).load();
      expect(kids(replacing)).toEqual(names.filter((_, n) => results[n]));
    }
    expect(await readdir(path)).toEqual(["keys.10.json"]);
  });

  it("loses no key that was saved, however many savers go on at their own pace", async () => {
    const path = await temporaryDirectory();
    const add = async (worker: number): Promise<void> => {
      const store = directoryKeyStore(path);
      for (let n = 0; n < 12; n++) {
        for (let saved = false; !saved; ) {
          const before = await store.load();
          const kid = `${worker}-${n}`;
          // There already when others went on from it before we were told.
          saved = kids(before).includes(kid) || (await store.save([...before, key(kid)], before));
        }
      }
    };
    await Promise.all([0, 1, 2, 3, 4].map(add));
    const stored = await directoryKeyStore(path).load();
    expect([stored.length, new Set(kids(stored)).size]).toEqual([60, 60]);
    expect(await readdir(path)).toHaveLength(1);
  });

  it("saves nothing under a number that others have used and removed meanwhile", async () => {
    const path = await temporaryDirectory();
    const store = directoryKeyStore(path);
    await store.save([key("a")], []);
    const slow: StoredKey = {
      ...key("slow"),
      privateJwk: {
        // Called between reading and writing: here others get from number 1 to number 3.
        reveal() {
          renameSync(join(path, "keys.1.json"), join(path, "keys.3.json"));
          return { kty: "OKP" };
        },
      },
    };
    expect(await store.save([slow], [key("a")])).toBe(false);
    expect(await readdir(path)).toEqual(["keys.3.json"]);
  });

  it("gives whole states to readers while others write", async () => {
    const path = await temporaryDirectory();
    const store = directoryKeyStore(path);
    await store.save([key("0")], []);
    const write = async (): Promise<void> => {
      for (let n = 0; n < 30; n++) await store.save([key(String(n + 1))], [key(String(n))]);
    };
    const read = async (): Promise<void> => {
      for (let n = 0; n < 30; n++) expect(await directoryKeyStore(path).load()).toHaveLength(1);
    };
    await Promise.all([write(), read(), read()]);
    expect(kids(await store.load())).toEqual(["30"]);
  });

  it("I7: refuses a directory or a file that others can read, with the command that helps", async () => {
    const path = await temporaryDirectory();
    const store = directoryKeyStore(path);
    await store.save([key("a")], []);
    await chmod(join(path, "keys.1.json"), 0o640);
    await expect(store.load()).rejects.toMatchObject({
      code: "ERR_KEY_PERMISSIONS",
      message: expect.stringContaining(`chmod 600 ${join(path, "keys.1.json")}`),
    });
    await chmod(join(path, "keys.1.json"), 0o600);
    await chmod(path, 0o755);
    const expected = { code: "ERR_KEY_PERMISSIONS", message: expect.stringContaining(`chmod 700 ${path}`) };
    await expect(store.load()).rejects.toMatchObject(expected);
    await expect(store.save([key("b")], [key("a")])).rejects.toMatchObject(expected);
  });

  it("I7: names a damaged file, neither reads past it nor writes over it", async () => {
    const path = await temporaryDirectory();
    const store = directoryKeyStore(path);
    await store.save([key("a")], []);
    const file = join(path, "keys.1.json");
    const half = (await readFile(file, "utf8")).slice(0, 40);
    await writeFile(file, half);
    const expected = { code: "ERR_CREDENTIAL_STORE", message: expect.stringContaining(file) };
    await expect(store.load()).rejects.toMatchObject(expected);
    await expect(store.save([key("b")], [])).rejects.toMatchObject(expected);
    expect(await readFile(file, "utf8")).toBe(half);
  });

  it("tells its watchers of changes that others make, until they are disposed", async () => {
    const path = await temporaryDirectory();
    const store = directoryKeyStore(path);
    let changes = 0;
    const watch = store.watch?.(() => changes++);
    await directoryKeyStore(path).save([key("a")], []);
    await vi.waitFor(() => expect(changes).toBeGreaterThan(0));
    watch?.[Symbol.dispose]();
    const before = changes;
    let controls = 0;
    const control = store.watch?.(() => controls++);
    await directoryKeyStore(path).save([key("b")], [key("a")]);
    await vi.waitFor(() => expect(controls).toBeGreaterThan(0));
    control?.[Symbol.dispose]();
    expect(changes).toBe(before);
  });

  it("does without a watch where there is nothing to watch", async () => {
    const store = directoryKeyStore(join(await temporaryDirectory(), "none"));
    expect(() => store.watch?.(() => {})[Symbol.dispose]()).not.toThrow();
  });

  it.each([[""], [undefined], [7]])("refuses %j as a path", (path) => {
    expect(() => directoryKeyStore(path as string)).toThrow(TypeError);
  });
});

describe("createKeyRing() over a directory", () => {
  it("I7: goes on with its keys while the file is half written, and takes the whole one when it is there", async () => {
    const path = await temporaryDirectory();
    const heard: unknown[] = [];
    const ring = ringOver(path, (error) => heard.push(error));
    const { kid } = await ring.signingKey();
    const file = join(path, "keys.1.json");
    const whole = await readFile(file, "utf8");
    await writeFile(file, whole.slice(0, -30));
    await vi.waitFor(async () => {
      expect((await ring.signingKey()).kid).toBe(kid);
      expect(heard).toMatchObject([{ code: "ERR_CREDENTIAL_STORE" }]);
    });
    await writeFile(file, whole);
    const next = await ringOver(path).rotate();
    await vi.waitFor(async () => expect((await ring.publicKeys()).map((jwk) => jwk.kid)).toContain(next.kid));
  });

  it("gives processes that start together on an empty directory one key", async () => {
    const path = join(await temporaryDirectory(), "keys");
    const processes = [1, 2, 3].map(() => startTypescript("key-ring-process.ts", path, "600000"));
    await Promise.all(processes.map((one) => one.nextLine()));
    for (const one of processes) one.send("sign");
    const signing = await Promise.all(processes.map((one) => one.nextLine()));
    expect(new Set(signing)).toEqual(new Set(kids(await directoryKeyStore(path).load())));
    expect(new Set(signing).size).toBe(1);
  });

  it("shows the rotation of one process to the others, also after it was killed", async () => {
    const path = await temporaryDirectory();
    const rotating = startTypescript("key-ring-process.ts", path, "1000000");
    const ring = ringOver(path);
    const { kid } = await ring.signingKey();
    await rotating.nextLine();
    rotating.send("rotate");
    const next = await rotating.nextLine();
    rotating.kill();
    await vi.waitFor(async () => expect((await ring.publicKeys()).map((jwk) => jwk.kid)).toEqual([kid, next]));
    expect((await ring.signingKey()).kid).toBe(kid);
    expect((await ring.rotate()).kid).toBe(next);
  });

  it("publishes one new key however many processes rotate at once", async () => {
    const path = await temporaryDirectory();
    const processes = [1, 2, 3].map(() => startTypescript("key-ring-process.ts", path, "600000"));
    await Promise.all(processes.map((one) => one.nextLine()));
    for (const one of processes) one.send("rotate");
    const next = await Promise.all(processes.map((one) => one.nextLine()));
    expect(new Set(next).size).toBe(1);
    expect(await directoryKeyStore(path).load()).toHaveLength(2);
  });
});
