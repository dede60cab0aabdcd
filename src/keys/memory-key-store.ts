import { type KeyStore, type StoredKey, sameKeys } from "./key-store.js";

/**
 * Creates a key store that lives as long as the process: for tests, and for an issuer whose tokens need not survive a
 * restart. Rings of one process may share it.
 *
 * @example
 * ```ts
 * import { createKeyRing, memoryKeyStore } from "latchkey/issuer";
 *
 * const keyRing = createKeyRing({
 *   store: memoryKeyStore(),
 *   gracePeriodMs: 10 * 60 * 1000,
 *   maxTokenLifetimeMs: 60 * 60 * 1000,
 * });
 * ```
 */
export function memoryKeyStore(): KeyStore {
  let stored: readonly StoredKey[] = [];
  const listeners = new Set<{ readonly onChange: () => void }>();
  return {
    load: async () => [...stored],
    async save(keys, replacing) {
      if (!sameKeys(stored, replacing)) return false;
      stored = [...keys];
      for (const { onChange } of [...listeners]) onChange();
      return true;
    },
    watch(onChange) {
      const listener = { onChange };
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
}
