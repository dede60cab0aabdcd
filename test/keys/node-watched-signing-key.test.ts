import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { chmod, mkdir, open, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JWK } from "jose";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import {
  type SigningKeyEvent,
  type WatchedSigningKey,
  type WatchSigningKeyOptions,
  watchSigningKey,
} from "../../src/keys/node-watched-signing-key.js";
import { jwkThumbprint } from "../../src/keys/thumbprint.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const POLL_MS = 5_000;
const PASSPHRASE = "open sesame";

interface Sample {
  readonly pem: string;
  readonly kid: string;
  readonly key: KeyObject;
}

async function sample(): Promise<Sample> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  return { pem, kid: await jwkThumbprint(publicKey.export({ format: "jwk" }) as JWK), key: privateKey };
}

const [first, second, third] = await Promise.all([sample(), sample(), sample()]);

const put = (path: string, text: string): Promise<void> => writeFile(path, text, { mode: 0o600 });

async function replace(path: string, text: string): Promise<void> {
  await put(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

interface Watch {
  readonly path: string;
  readonly clock: ManualClock;
  readonly events: SigningKeyEvent[];
  readonly watched: WatchedSigningKey;
  kid(): string;
  /** Lets the watch look at the file once. */
  look(): Promise<void>;
}

async function start(options: Partial<WatchSigningKeyOptions> = {}): Promise<Watch> {
  const path = options.path ?? join(await temporaryDirectory(), "key.pem");
  if (options.path === undefined) await put(path, first.pem);
  const clock = createManualClock();
  const events: SigningKeyEvent[] = [];
  const watched = await watchSigningKey({ path, clock, onEvent: (event) => void events.push(event), ...options });
  onTestFinished(() => watched[Symbol.dispose]());
  return {
    path,
    clock,
    events,
    watched,
    kid: () => watched.current().kid,
    async look() {
      await clock.advance(options.pollMs ?? POLL_MS);
      // The timer is set again when the look is over.
      await vi.waitFor(() => expect(clock.pendingTimers).toBe(1), { interval: 1 });
    },
  };
}

describe("watchSigningKey()", () => {
  it("gives the key of the file at once, and the same object while it stays", async () => {
    const { watched, look, events } = await start();
    const key = watched.current();
    expect(key).toMatchObject({ kid: first.kid, algorithm: "ES256" });
    for (let n = 0; n < 4; n++) await look();
    expect(watched.current()).toBe(key);
    expect(events).toEqual([]);
  });

  it("I7: takes over a file that is renamed onto it within 5 seconds, not before", async () => {
    const { path, clock, look, kid, events } = await start();
    for (let n = 0; n < 3; n++) await look();
    await replace(path, second.pem);
    await clock.advance(POLL_MS - 1);
    expect(kid()).toBe(first.kid);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(1);
    await vi.waitFor(() => expect(kid()).toBe(second.kid), { interval: 1 });
    expect(events).toEqual([{ type: "reloaded", kid: second.kid, changed: true }]);
  });

  it("takes over what a link leads to since the directory behind it was swapped, as Kubernetes does", async () => {
    const directory = await temporaryDirectory();
    const version = async (name: string, text: string): Promise<void> => {
      await mkdir(join(directory, name));
      await put(join(directory, name, "key.pem"), text);
      await symlink(name, join(directory, "..data_tmp"));
      await rename(join(directory, "..data_tmp"), join(directory, "..data"));
    };
    await version("..2026_01", first.pem);
    await symlink(join("..data", "key.pem"), join(directory, "key.pem"));
    const { look, kid } = await start({ path: join(directory, "key.pem") });
    for (let n = 0; n < 3; n++) await look();
    await version("..2026_02", second.pem);
    await rm(join(directory, "..2026_01"), { recursive: true });
    await look();
    expect(kid()).toBe(second.kid);
  });

  it("I7: keeps the old key while half of the new one is written, then takes the whole", async () => {
    const { path, look, kid, events } = await start();
    await look();
    const file = await open(path, "r+");
    onTestFinished(() => file.close());
    const half = Math.floor(second.pem.length / 2);
    await file.truncate();
    await look();
    expect(kid()).toBe(first.kid);
    await file.write(second.pem.slice(0, half), 0);
    await look();
    expect(kid()).toBe(first.kid);
    await file.write(second.pem.slice(half), half);
    await look();
    expect(kid()).toBe(second.kid);
    expect(events).toEqual([
      { type: "reload_failed", code: "ERR_KEY_MISSING" },
      { type: "reload_failed", code: "ERR_KEY_INVALID" },
      { type: "reloaded", kid: second.kid, changed: true },
    ]);
  });

  it.each<[string, (path: string) => Promise<void>, string]>([
    ["is gone", (path) => rm(path), "ERR_KEY_MISSING"],
    ["is open to others", (path) => chmod(path, 0o644), "ERR_KEY_PERMISSIONS"],
    ["is empty", (path) => truncate(path), "ERR_KEY_MISSING"],
    ["is no key", (path) => put(path, "text"), "ERR_KEY_INVALID"],
    ["is of another type than asked for", (path) => put(path, ED25519), "ERR_KEY_ALGORITHM"],
    ["is locked", (path) => put(path, locked(second.key)), "ERR_KEY_PASSPHRASE"],
  ])("I7: keeps the old key when the file %s, says so once, and recovers", async (_name, spoil, code) => {
    const { path, look, watched, kid, events } = await start({ algorithm: "ES256" });
    const key = watched.current();
    await look();
    await spoil(path);
    for (let n = 0; n < 4; n++) await look();
    expect(watched.current()).toBe(key);
    expect(events).toEqual([{ type: "reload_failed", code }]);
    await expect(watched.reload()).rejects.toMatchObject({ name: "CredentialError", code });
    expect(watched.current()).toBe(key);

    await replace(path, first.pem);
    await look();
    expect(watched.current()).toBe(key);
    expect(events.slice(1)).toEqual([{ type: "reloaded", kid: first.kid, changed: false }]);
    await replace(path, third.pem);
    await look();
    expect(kid()).toBe(third.kid);
  });

  it("opens the keys that follow with the passphrase of the first", async () => {
    const path = join(await temporaryDirectory(), "key.pem");
    await put(path, locked(first.key));
    const { look, kid } = await start({ path, passphrase: PASSPHRASE });
    expect(kid()).toBe(first.kid);
    await replace(path, locked(second.key));
    await look();
    expect(kid()).toBe(second.kid);
  });

  it("reloads when asked to, without a look", async () => {
    const { path, watched, kid, events } = await start();
    await replace(path, second.pem);
    await Promise.all([watched.reload(), watched.reload(), watched.reload()]);
    expect(kid()).toBe(second.kid);
    await watched.reload();
    expect(events).toEqual([{ type: "reloaded", kid: second.kid, changed: true }]);
  });

  it("has what was written before reload() was called, even while it reads already", async () => {
    const { path, watched, kid } = await start();
    for (const { pem, kid: expected } of [second, third, first, second, third]) {
      const earlier = watched.reload();
      await replace(path, pem);
      await watched.reload();
      expect(kid()).toBe(expected);
      await earlier;
    }
  });

  it("goes on when the listener throws, at once or later", async () => {
    for (const onEvent of [
      () => {
        throw new Error("listener");
      },
      () => Promise.reject(new Error("listener")) as unknown as undefined,
    ]) {
      const { path, watched, look, kid } = await start({ onEvent });
      await replace(path, "text");
      await look();
      await replace(path, second.pem);
      await watched.reload();
      expect(kid()).toBe(second.kid);
    }
  });

  it("ends with its disposal: no timer, no event, the last key", async () => {
    const { path, watched, clock, kid, events } = await start();
    await replace(path, second.pem);
    const underWay = watched.reload();
    watched[Symbol.dispose]();
    await expect(underWay).rejects.toMatchObject({ code: "ERR_CREDENTIAL_STORE" });
    await expect(watched.reload()).rejects.toMatchObject({ code: "ERR_CREDENTIAL_STORE" });
    expect(clock.pendingTimers).toBe(0);
    watched[Symbol.dispose]();
    expect(kid()).toBe(first.kid);
    expect(events).toEqual([]);
  });

  it("changes nothing any more, however far a reload is when it is disposed", async () => {
    const path = join(await temporaryDirectory(), "key.pem");
    for (let steps = 0; steps < 40; steps++) {
      await put(path, first.pem);
      const { watched, kid, events } = await start({ path });
      await replace(path, second.pem);
      const underWay = watched.reload().catch(() => {});
      for (let n = 0; n < steps; n++) await new Promise(setImmediate);
      watched[Symbol.dispose]();
      const atDisposal = [kid(), events.length];
      await underWay;
      expect([kid(), events.length]).toEqual(atDisposal);
    }
  });

  it("sets no timer again when it is disposed during a look", async () => {
    const { path, watched, clock, kid, events } = await start();
    await replace(path, second.pem);
    const due = clock.advance(POLL_MS);
    watched[Symbol.dispose]();
    await due;
    // In turn after the look.
    await expect(watched.reload()).rejects.toMatchObject({ code: "ERR_CREDENTIAL_STORE" });
    expect([clock.pendingTimers, kid(), events]).toEqual([0, first.kid, []]);
  });

  it("D7: looks on when the wall clock is set back", async () => {
    const { path, clock, look, kid } = await start({ pollMs: 100 });
    clock.setWallClock(clock.nowMs() - 3_600_000);
    await replace(path, second.pem);
    await look();
    expect(kid()).toBe(second.kid);
  });

  it("rejects when there is no good key at first, and leaves no timer", async () => {
    const directory = await temporaryDirectory();
    const clock = createManualClock();
    await put(join(directory, "bad.pem"), "text");
    await expect(watchSigningKey({ path: join(directory, "none.pem"), clock })).rejects.toMatchObject({
      code: "ERR_KEY_MISSING",
    });
    await expect(watchSigningKey({ path: join(directory, "bad.pem"), clock })).rejects.toMatchObject({
      code: "ERR_KEY_INVALID",
    });
    expect(clock.pendingTimers).toBe(0);
  });

  it.each<[string, unknown, ErrorConstructor]>([
    ["options", undefined, TypeError],
    ["options.pem", { pem: "x" }, TypeError],
    ["path", {}, TypeError],
    ["path", { path: "" }, TypeError],
    ["pollMs", { path: "x", pollMs: 99 }, RangeError],
    ["pollMs", { path: "x", pollMs: Number.NaN }, RangeError],
    ["pollMs", { path: "x", pollMs: Number.POSITIVE_INFINITY }, RangeError],
    ["pollMs", { path: "x", pollMs: "5s" }, TypeError],
    ["onEvent", { path: "x", onEvent: "log" }, TypeError],
    ["clock", { path: "x", clock: null }, TypeError],
  ])("D6: refuses a bad %s: %o", async (field, options, type) => {
    const watching = watchSigningKey(options as WatchSigningKeyOptions);
    await expect(watching).rejects.toThrow(type);
    await expect(watching).rejects.toThrow(field);
  });
});

const ED25519 = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();

function locked(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: PASSPHRASE }).toString();
}
