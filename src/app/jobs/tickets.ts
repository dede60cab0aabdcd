import { randomUUID } from "node:crypto";
import { LRUCache } from "lru-cache";
import { PgBoss } from "pg-boss";
import { ConfigError } from "../../errors.js";
import type { Database, Queryable } from "../database/database.js";

/** A place in a queue: the right to one lease of one job. */
export interface Ticket {
  readonly jobId: string;
}

/** Who is next: pg-boss, with one queue for each queue of each organisation. */
export interface Tickets {
  /** Makes sure that pg-boss knows the queue. Outside of a transaction, before the first ticket. */
  ensureQueue(org: string, queue: string): Promise<void>;
  /**
   * Queues a job in the caller's transaction.
   *
   * @param options - `first`: before all others; `delayMs`: not before so long from now.
   * @returns Identifier of the ticket.
   */
  issue(
    transaction: Queryable,
    job: { readonly org: string; readonly queue: string; readonly jobId: string },
    options?: { readonly first?: boolean; readonly delayMs?: number },
  ): Promise<string>;
  /** Takes the next ticket out of a queue in the caller's transaction; nobody else is given it meanwhile. */
  take(transaction: Queryable, org: string, queue: string): Promise<Ticket | undefined>;
  /** Throws a ticket away. Outside of a transaction. */
  discard(org: string, queue: string, ticketId: string): Promise<void>;
  /** Ends pg-boss; the database stays open. */
  close(): Promise<void>;
}

/** Schema version of the pg-boss release this was written against. */
const BOSS_SCHEMA_VERSION = 43;
const TEN_YEARS_SECONDS = 10 * 365 * 24 * 60 * 60;
const LONGEST_INTERVAL_SECONDS = 24 * 60 * 60;
/** How many queues are remembered as known; one more costs a statement. */
const KNOWN_QUEUES = 10_000;

/**
 * Starts pg-boss on the database.
 *
 * What it is used for: keeping the waiting jobs of a queue in order, handing each to one taker only (SKIP LOCKED), also
 * across servers, and holding one back for a time. What it is not: the record of what a job is doing. Its claim on an
 * active job ends after at most 24 hours, cannot be given back without counting an attempt, and does not fence off a
 * former holder. So a ticket is deleted in the transaction that takes it, together with the row of ours that says who
 * holds the job until when; giving a job back is a new ticket. No job of pg-boss is ever active, hence none expires,
 * and its supervision, which deletes waiting jobs past their retention, has nothing to do and stays off.
 *
 * @param onError - Told of failures in the background of pg-boss.
 * Rejects with `ConfigError` `ERR_CONFIG_INVALID` when its tables are newer than this release.
 */
export async function createTickets(database: Database, onError: (error: unknown) => void): Promise<Tickets> {
  const boss = new PgBoss({
    db: database.bossDb,
    backend: database.backend,
    schema: `${database.schema}_boss`,
    supervise: false,
    schedule: false,
    bamIntervalSeconds: LONGEST_INTERVAL_SECONDS,
    queueCacheIntervalSeconds: LONGEST_INTERVAL_SECONDS,
  });
  // Unheard, the event would end the process.
  boss.on("error", onError);
  if ((await boss.isInstalled()) && ((await boss.schemaVersion()) ?? 0) > BOSS_SCHEMA_VERSION) {
    throw new ConfigError("ERR_CONFIG_INVALID", "the database was written by a newer release (pg-boss)");
  }
  try {
    await oneAtATime(database, () => boss.start());
  } catch (error) {
    await boss.stop({ close: false, graceful: false });
    throw error;
  }
  const known = new LRUCache<string, true>({ max: KNOWN_QUEUES });
  // Neither part holds a slash: no organisation can name a queue of another one.
  const nameOf = (org: string, queue: string): string => `${org}/${queue}`;
  return {
    async ensureQueue(org, queue) {
      const name = nameOf(org, queue);
      if (known.has(name)) return;
      await boss.createQueue(name, { retryLimit: 0, retentionSeconds: TEN_YEARS_SECONDS });
      known.set(name, true);
    },
    async issue(transaction, { org, queue, jobId }, { first = false, delayMs = 0 } = {}) {
      const id = randomUUID();
      const sent = await boss.send(
        nameOf(org, queue),
        { jobId },
        { db: transaction.bossDb, id, priority: first ? 1 : 0, startAfter: delayMs / 1000 },
      );
      // pg-boss answers a job that it did not store with null instead of an error.
      if (sent !== id) throw new Error("pg-boss did not store the ticket");
      return id;
    },
    async take(transaction, org, queue) {
      const name = nameOf(org, queue);
      const db = transaction.bossDb;
      const [ticket] = await boss.fetch<Ticket>(name, { db });
      if (ticket === undefined) return undefined;
      await boss.deleteJob(name, ticket.id, { db });
      return ticket.data;
    },
    async discard(org, queue, ticketId) {
      await boss.deleteJob(nameOf(org, queue), ticketId);
    },
    async close() {
      await boss.stop({ close: false, graceful: false });
    },
  };
}

/**
 * Runs what makes pg-boss's tables while no other server on the database does.
 *
 * pg-boss has a lock of its own for that, but a server that waited for it still takes the schema for missing: what it
 * has looked up before is renewed when a transaction begins, and the lock is waited for inside of one. So ours is held
 * on a connection beside those that pg-boss uses. The embedded engine has no other connection, and no other server.
 */
async function oneAtATime(database: Database, work: () => Promise<unknown>): Promise<void> {
  if (database.backend === "pglite") {
    await work();
    return;
  }
  const locked = Promise.withResolvers<void>();
  const finished = Promise.withResolvers<void>();
  const holding = database.transaction(async (transaction) => {
    await transaction.query("SELECT pg_advisory_xact_lock(hashtext($1))", [`latchkey boss ${database.schema}`]);
    locked.resolve();
    await finished.promise;
  });
  await Promise.race([locked.promise, holding]);
  try {
    await work();
  } finally {
    finished.resolve();
    await holding;
  }
}
