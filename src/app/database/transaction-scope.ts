import { AsyncLocalStorage } from "node:async_hooks";
import type { Db } from "pg-boss";

/** Remembers which transaction the code that runs now belongs to. */
export interface TransactionScope {
  /** Runs `work` as part of the transaction that `db` speaks to. */
  run<T>(db: Db, work: () => Promise<T>): Promise<T>;
  /** Gives the transaction under way, or undefined outside of one. */
  current(): Db | undefined;
}

/**
 * Creates a {@link TransactionScope}, one per database.
 *
 * It exists for pg-boss, which looks up a queue it does not know yet on its own connection even when it is told to work
 * in a transaction. On the embedded engine, whose only connection is the transaction's, that look-up would wait for the
 * transaction that waits for it; on a pool it would do so once every connection is in a transaction.
 */
export function createTransactionScope(): TransactionScope {
  const storage = new AsyncLocalStorage<{ db: Db; open: boolean }>();
  return {
    async run(db, work) {
      const entry = { db, open: true };
      try {
        return await storage.run(entry, work);
      } finally {
        // What was started inside and goes on after the end must not use a connection that is someone else's by then.
        entry.open = false;
      }
    },
    current() {
      const entry = storage.getStore();
      return entry?.open === true ? entry.db : undefined;
    },
  };
}
