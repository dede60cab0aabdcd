import { type ContextValues, createContextValues } from "@connectrpc/connect";

/**
 * Context values of one call on top of others: reads fall through, writes and deletions stay on top.
 *
 * An application may hand out the same context values for several calls. The caller of one must never be seen by
 * another, so it is never written there.
 */
export function layeredContextValues(base: ContextValues): ContextValues {
  const own = createContextValues();
  const decided = new Set<symbol>();
  return {
    get: (key) => (decided.has(key.id) ? own : base).get(key),
    set(key, value) {
      decided.add(key.id);
      own.set(key, value);
      return this;
    },
    delete(key) {
      decided.add(key.id);
      own.delete(key);
      return this;
    },
  };
}
