import { PGlite } from "@electric-sql/pglite";
import { type Db, fromPglite } from "pg-boss";
import { ConfigError } from "../../errors.js";
import { systemClock } from "../../lib/clock.js";
import { openDataDirectory } from "./data-directory.js";
import type { Database, Queryable, QueryResult } from "./database.js";
import { DatabaseUnavailableError, toDatabaseError } from "./database-error.js";
import { prepareSchema } from "./schema.js";
import { createTransactionScope } from "./transaction-scope.js";

const DEFAULTS = {
  schema: "latchkey",
  /** How often dead rows are cleared away: the embedded engine runs no autovacuum. */
  vacuumIntervalMs: 60 * 60 * 1000,
} as const;

/** What {@link PGlite} and a transaction of it have in common. */
type Engine = Pick<PGlite, "query" | "exec">;

/**
 * Opens the embedded PostgreSQL in a data directory, which this process holds until the database is closed.
 *
 * Costs about three seconds the first time, a fifth of a second later, and half a gigabyte of memory. One connection:
 * statements and transactions run one after the other. What was committed survives the end of the process by any
 * signal, since it is with the operating system by then; the engine does not flush its disk, so a loss of power may
 * take the last moments. A server of its own (`databaseUrl`) does not have this limit.
 *
 * Rejects with `ConfigError` as `openDatabase` says.
 */
export async function openPgliteDatabase(dataDir: string): Promise<Database> {
  const directory = await openDataDirectory(dataDir);
  let engine: PGlite;
  try {
    engine = await PGlite.create(directory.databasePath);
    await engine.exec(`SET search_path TO ${DEFAULTS.schema}`);
  } catch (error) {
    await directory.release();
    // The engine's own message speaks of WebAssembly; what can be said is that its files do not let it start.
    const message = `the data directory ${dataDir} is damaged: the database in it does not start`;
    throw new ConfigError("ERR_CONFIG_UNREADABLE", message, { cause: error });
  }
  const database = createPgliteDatabase(engine, () => directory.release());
  try {
    await prepareSchema(database);
    await directory.markReady();
  } catch (error) {
    await database.close();
    throw error;
  }
  return database;
}

function createPgliteDatabase(engine: PGlite, onClosed: () => Promise<void>): Database {
  const schema = DEFAULTS.schema;
  const scope = createTransactionScope();
  const underWay = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;

  // Every use of the engine passes here: close() waits for those begun, and none begins after it.
  const use = async <T>(work: () => Promise<T>): Promise<T> => {
    if (closing !== undefined) throw new DatabaseUnavailableError("the database is closed");
    const running = work();
    underWay.add(running);
    try {
      return await running;
    } catch (error) {
      throw toDatabaseError(error);
    } finally {
      underWay.delete(running);
    }
  };
  const direct = fromPglite(engine);
  const bossDb: Db = {
    async executeSql(text, values) {
      const transaction = scope.current();
      if (transaction !== undefined) return await transaction.executeSql(text, values);
      return await use(() => direct.executeSql(text, values));
    },
  };
  const query = <Row>(sql: string, params: readonly unknown[] = []): Promise<QueryResult<Row>> =>
    use(() => runQuery<Row>(engine, sql, params));

  let timer: Disposable | undefined;
  const scheduleVacuum = (): void => {
    timer = systemClock.setTimer(() => {
      // Of no consequence when it fails: the next one clears away more.
      query("VACUUM (ANALYZE)").catch(() => {});
      scheduleVacuum();
    }, DEFAULTS.vacuumIntervalMs);
  };
  scheduleVacuum();

  const close = async (): Promise<void> => {
    timer?.[Symbol.dispose]();
    await Promise.allSettled(underWay);
    try {
      // An engine that has trapped (a full disk) fails to close; its files are what a crash would have left.
      await engine.close().catch(() => {});
    } finally {
      await onClosed();
    }
  };
  return {
    schema,
    backend: "pglite",
    bossDb,
    query,
    notify: async (channel, payload) => {
      await query("SELECT pg_notify($1, $2)", [`${schema}_${channel}`, payload]);
    },
    transaction: (work) =>
      use(() =>
        engine.transaction((inner) => {
          const transaction = toQueryable(inner, schema);
          return scope.run(transaction.bossDb, () => work(transaction));
        }),
      ),
    async listen(channel, onNotification) {
      const unlisten = await use(() => engine.listen(`${schema}_${channel}`, onNotification));
      return {
        [Symbol.asyncDispose]: async () => {
          if (closing === undefined) await use(() => unlisten());
        },
      };
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}

function toQueryable(engine: Engine, schema: string): Queryable {
  const query: Queryable["query"] = (sql, params = []) => runQuery(engine, sql, params);
  return {
    query,
    notify: async (channel, payload) => {
      await query("SELECT pg_notify($1, $2)", [`${schema}_${channel}`, payload]);
    },
    bossDb: {
      // Unlike fromPglite(), this sends no ROLLBACK after an error: whoever runs the transaction does.
      async executeSql(text, values) {
        if (values !== undefined && values.length > 0) return await engine.query(text, values);
        const results = await engine.exec(text);
        return { rows: results.flatMap((result) => result.rows) };
      },
    },
  };
}

async function runQuery<Row>(engine: Engine, sql: string, params: readonly unknown[]): Promise<QueryResult<Row>> {
  const { rows, affectedRows = 0 } = await engine.query<Row>(sql, [...params]);
  return { rows, rowCount: Math.max(rows.length, affectedRows) };
}
