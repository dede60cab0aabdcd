import type { KeyStore } from "../../src/keys/key-store.js";
import { memoryKeyStore } from "../../src/keys/memory-key-store.js";

/** A key store that fails on demand, counts, and keeps its changes to itself. */
export interface FaultyKeyStore extends KeyStore {
  /** What the next calls do instead of their work; undefined: nothing instead. */
  fault: (() => Promise<never>) | undefined;
  /** How often keys were loaded. */
  readonly loads: number;
  /** Forgets all keys. */
  clear(): void;
}

/** Creates a {@link FaultyKeyStore} without a watch. */
export function faultyKeyStore(): FaultyKeyStore {
  let inner = memoryKeyStore();
  let loads = 0;
  return {
    fault: undefined,
    get loads() {
      return loads;
    },
    async load() {
      loads++;
      await this.fault?.();
      return inner.load();
    },
    async save(keys, replacing) {
      await this.fault?.();
      return inner.save(keys, replacing);
    },
    clear() {
      inner = memoryKeyStore();
    },
  };
}
