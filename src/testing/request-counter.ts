import { createListeners } from "../lib/listeners.js";

/** Counts requests by what they were for. */
export interface RequestCounter<K> {
  /** Counts one. */
  add(kind: K): void;
  /** How many there were, of a kind or at all. */
  count(kind?: K): number;
  /** Resolves when there were so many, of a kind or at all. */
  reached(count: number, kind?: K): Promise<void>;
}

/** Creates a counter at 0. */
export function createRequestCounter<K>(): RequestCounter<K> {
  const arrivals = createListeners();
  const kinds: K[] = [];
  const countOf = (kind: K | undefined): number =>
    kind === undefined ? kinds.length : kinds.filter((one) => one === kind).length;
  return {
    add(kind) {
      kinds.push(kind);
      arrivals.tell();
    },
    count: countOf,
    async reached(count, kind) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const check = (): void => {
        if (countOf(kind) >= count) resolve();
      };
      using _listening = arrivals.add(check);
      check();
      await promise;
    },
  };
}
