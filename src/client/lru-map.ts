/** A Map of bounded size that forgets what was not used for longest. */
export interface LruMap<K, V> {
  /** Gives the value, which counts as used now. */
  get(key: K): V | undefined;
  /** Stores a value; gives the one not used for longest, now forgotten, when there was no room for it. */
  set(key: K, value: V): V | undefined;
  /** The values, in no particular order. */
  values(): IterableIterator<V>;
  /** Forgets everything. */
  clear(): void;
  /** How many values there are. */
  readonly size: number;
}

/**
 * Creates an {@link LruMap}.
 *
 * @param maxEntries - How many values it holds at most; a positive integer.
 */
export function createLruMap<K, V extends object>(maxEntries: number): LruMap<K, V> {
  // A Map keeps the order of insertion: the first key is the one not used for longest.
  const entries = new Map<K, V>();
  let newest: V | undefined;
  const deleteOldest = (): V | undefined => {
    for (const [key, value] of entries) {
      entries.delete(key);
      return value;
    }
    return undefined;
  };
  return {
    get(key) {
      const value = entries.get(key);
      if (value === undefined || value === newest) return value;
      entries.delete(key);
      entries.set(key, value);
      newest = value;
      return value;
    },
    set(key, value) {
      entries.delete(key);
      const forgotten = entries.size >= maxEntries ? deleteOldest() : undefined;
      entries.set(key, value);
      newest = value;
      return forgotten;
    },
    values: () => entries.values(),
    clear() {
      entries.clear();
      newest = undefined;
    },
    get size() {
      return entries.size;
    },
  };
}
