import type { Clock } from "../../lib/clock.js";
import type { Database, Queryable } from "../database/database.js";

/** What somebody may wait for: a job to lease, a free place for a lease, something new about a job. */
export type Topic = `queue ${string}/${string}` | `stream ${string}` | `job ${string}`;

/** Waits for topics. */
export interface Watch extends Disposable {
  /**
   * Waits until one of the topics was announced since the last wait (or since the watch began), until `timeoutMs` have
   * passed or `signal` aborts, whichever is first. Never rejects: the waiter looks for itself what has changed.
   */
  wait(options: { readonly signal: AbortSignal; readonly timeoutMs: number }): Promise<void>;
}

/** Tells those who wait, in every server on the database, that it is worth looking. */
export interface JobSignals extends AsyncDisposable {
  /** Announces topics once the transaction is committed. */
  announce(transaction: Queryable, topics: readonly Topic[]): Promise<void>;
  /** Begins to watch; nothing announced from now on is missed. */
  watch(topics: readonly Topic[]): Watch;
}

const CHANNEL = "jobs";

/** Creates {@link JobSignals}: one subscription to the database, shared by every watch of this process. */
export async function createJobSignals(database: Database, clock: Clock): Promise<JobSignals> {
  const watchers = new Map<string, Set<() => void>>();
  const subscription = await database.listen(CHANNEL, (topic) => {
    if (topic !== undefined) for (const wake of watchers.get(topic) ?? []) wake();
    else for (const wakes of watchers.values()) for (const wake of wakes) wake();
  });
  return {
    async announce(transaction, topics) {
      for (const topic of topics) await transaction.notify(CHANNEL, topic);
    },
    watch(topics) {
      let announced = false;
      let finishWait: (() => void) | undefined;
      const wake = (): void => {
        announced = true;
        finishWait?.();
      };
      for (const topic of topics) {
        const wakes = watchers.get(topic) ?? new Set();
        wakes.add(wake);
        watchers.set(topic, wakes);
      }
      return {
        async wait({ signal, timeoutMs }) {
          if (!announced && !signal.aborted) {
            const { promise, resolve } = Promise.withResolvers<void>();
            const finish = (): void => resolve();
            using _timer = clock.setTimer(finish, timeoutMs);
            signal.addEventListener("abort", finish);
            finishWait = finish;
            await promise;
            finishWait = undefined;
            signal.removeEventListener("abort", finish);
          }
          announced = false;
        },
        [Symbol.dispose]() {
          for (const topic of topics) {
            const wakes = watchers.get(topic);
            wakes?.delete(wake);
            if (wakes?.size === 0) watchers.delete(topic);
          }
        },
      };
    },
    [Symbol.asyncDispose]: () => subscription[Symbol.asyncDispose](),
  };
}
