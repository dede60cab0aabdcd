import type { SnapshotStore } from "../../src/jwks/snapshot-store.js";

/** A store that does what it is asked, and answers, only when the test says so. */
export interface SlowStore extends SnapshotStore {
  /** What it was asked so far, such as `set` and `delete`. */
  readonly asked: readonly string[];
  /** Does what it was asked as the n-th, counted from 0, and answers. */
  finish(index: number): void;
  /** Resolves when it has been asked that often. */
  reached(count: number): Promise<void>;
}

/** Creates a {@link SlowStore} over texts that the test can read. */
export function createSlowStore(texts: Map<string, string>): SlowStore {
  const asked: string[] = [];
  const works: (() => void)[] = [];
  const waiting = new Map<number, () => void>();
  const later = (name: string, work: () => unknown): Promise<unknown> =>
    new Promise((resolve) => {
      asked.push(name);
      works.push(() => resolve(work()));
      waiting.get(asked.length)?.();
    });
  return {
    asked,
    get: (key) => later("get", () => texts.get(key)),
    set: (key, text) => later("set", () => texts.set(key, text)),
    delete: (key) => later("delete", () => texts.delete(key)),
    finish: (index) => works[index]?.(),
    reached: (count) =>
      new Promise((resolve) => {
        if (asked.length >= count) resolve();
        else waiting.set(count, resolve);
      }),
  };
}
