import pg from "pg";
import type { Db } from "pg-boss";
import { ConfigError } from "../../errors.js";
import type { Database, Queryable, QueryResult } from "./database.js";
import { DatabaseUnavailableError, toDatabaseError } from "./database-error.js";
import { createPgListener } from "./pg-listener.js";
import { prepareSchema } from "./schema.js";
import { createTransactionScope } from "./transaction-scope.js";

const DEFAULTS = {
  maxConnections: 10,
  connectTimeoutMs: 10 * 1000,
  /** A statement that takes longer is ended by the server; none of ours should. */
  statementTimeoutMs: 60 * 1000,
} as const;

/** What a schema may be called, so that its name needs no quotes; pg-boss's has five characters more. */
const SCHEMA = /^[a-z_][a-z0-9_]{0,39}$/;

/** What every connection is told before its first statement. */
const sessionSetup = (schema: string): string =>
  // An enqueue is answered once it is on disk: a server told to answer sooner is told otherwise for our connections.
  `SET search_path TO ${schema};
   SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`;

/**
 * Opens a PostgreSQL server as the database; several processes may share it. Tested with PostgreSQL 15.
 *
 * Rejects with `ConfigError`: `ERR_CONFIG_INVALID` for a bad connection string or a schema of something else,
 * `ERR_CONFIG_UNREADABLE` when the server cannot be reached or refuses the connection.
 */
export async function openPgDatabase(options: {
  readonly databaseUrl: string;
  readonly schema: string;
}): Promise<Database> {
  const { databaseUrl, schema } = options;
  if (!SCHEMA.test(schema)) throw new ConfigError("ERR_CONFIG_INVALID", `the schema name must match ${SCHEMA.source}`);
  const config = parseConfig(databaseUrl);
  const pool = new pg.Pool({
    ...config,
    max: DEFAULTS.maxConnections,
    onConnect: (client) => client.query(sessionSetup(schema)),
  });
  // An idle connection that breaks is replaced by the pool; unheard, the event would end the process.
  pool.on("error", () => {});
  const database = createPgDatabase(pool, config, schema);
  try {
    await prepareSchema(database);
    return database;
  } catch (error) {
    await database.close();
    if (error instanceof ConfigError) throw error;
    throw new ConfigError("ERR_CONFIG_UNREADABLE", `the database cannot be used: ${describe(error)}`, { cause: error });
  }
}

function parseConfig(databaseUrl: string): pg.ClientConfig {
  let url: URL;
  try {
    url = new URL(databaseUrl);
  } catch {
    url = new URL("invalid:");
  }
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") {
    // The text itself stays out of the message: it may hold a password.
    const message = "the database URL must look like postgres://user:password@host:port/database";
    throw new ConfigError("ERR_CONFIG_INVALID", message);
  }
  return {
    connectionString: databaseUrl,
    application_name: "latchkey",
    connectionTimeoutMillis: DEFAULTS.connectTimeoutMs,
    statement_timeout: DEFAULTS.statementTimeoutMs,
    // Counted here as well: a server that is gone without a word ends no statement.
    query_timeout: DEFAULTS.statementTimeoutMs + DEFAULTS.connectTimeoutMs,
    idle_in_transaction_session_timeout: DEFAULTS.statementTimeoutMs,
    keepAlive: true,
  };
}

/** Why the server could not be used, by code; a driver's message may quote the connection string. */
function describe(error: unknown): string {
  const cause = error instanceof DatabaseUnavailableError ? error.cause : error;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
  return code ?? "no answer in time";
}

function createPgDatabase(pool: pg.Pool, config: pg.ClientConfig, schema: string): Database {
  const scope = createTransactionScope();
  const listener = createPgListener(() => new pg.Client(config));
  let closing: Promise<void> | undefined;
  const outside = toQueryable(pool, schema);
  const bossDb: Db = {
    executeSql: (text, values) => (scope.current() ?? outside.bossDb).executeSql(text, values),
  };
  const close = async (): Promise<void> => {
    await listener.close();
    await pool.end();
  };
  return {
    schema,
    backend: "postgres",
    bossDb,
    query: outside.query,
    notify: outside.notify,
    async transaction(work) {
      const client = await pool.connect().catch((error: unknown) => {
        throw toDatabaseError(error);
      });
      let broken: Error | undefined;
      // The pool takes its own listener off a connection it has given out; unheard, the event would end the process.
      const onError = (error: Error): void => {
        broken = error;
      };
      client.on("error", onError);
      try {
        const transaction = toQueryable(client, schema);
        await client.query("BEGIN");
        const result = await scope.run(transaction.bossDb, () => work(transaction));
        await client.query("COMMIT");
        return result;
      } catch (error) {
        await client.query("ROLLBACK").catch((failure: Error) => {
          broken ??= failure;
        });
        throw toDatabaseError(error);
      } finally {
        client.off("error", onError);
        client.release(broken);
      }
    },
    listen: (channel, onNotification) => listener.listen(`${schema}_${channel}`, onNotification),
    close() {
      closing ??= close();
      return closing;
    },
  };
}

function toQueryable(client: pg.Pool | pg.PoolClient, schema: string): Queryable {
  const run = async <Row extends pg.QueryResultRow>(
    sql: string,
    params: readonly unknown[] | undefined,
  ): Promise<pg.QueryResult<Row> | pg.QueryResult<Row>[]> => {
    try {
      return await client.query<Row>(sql, params as unknown[] | undefined);
    } catch (error) {
      throw toDatabaseError(error);
    }
  };
  const query = async <Row>(sql: string, params: readonly unknown[] = []): Promise<QueryResult<Row>> => {
    const result = await run<pg.QueryResultRow>(sql, params);
    const { rows, rowCount } = Array.isArray(result) ? { rows: [], rowCount: 0 } : result;
    return { rows: rows as Row[], rowCount: rowCount ?? rows.length };
  };
  return {
    query,
    notify: async (channel, payload) => {
      await query("SELECT pg_notify($1, $2)", [`${schema}_${channel}`, payload]);
    },
    bossDb: {
      async executeSql(text, values) {
        const result = await run(text, values);
        // Several statements without parameters give several results.
        return { rows: Array.isArray(result) ? result.flatMap((each) => each.rows) : result.rows };
      },
    },
  };
}
