import type { Db } from "pg-boss";

/** Rows that a statement gave back. */
export interface QueryResult<Row> {
  /** Rows in the order of the statement; empty when it returns none. */
  readonly rows: readonly Row[];
  /** How many rows the statement inserted, updated or deleted; of a SELECT, how many it returned. */
  readonly rowCount: number;
}

/** Where statements can be run: the database itself or one transaction of it. */
export interface Queryable {
  /**
   * Runs one statement. Names of tables are unqualified: the schema is on the search path.
   *
   * @param sql - One statement with `$1`, `$2`, … for parameters.
   * @param params - Values of the parameters. Bytes are `Uint8Array`, instants `Date`, JSON a string cast in the SQL.
   * @returns Rows with `bigint` columns as strings cast in the SQL (`::text`), `timestamptz` as Date, `bytea` as bytes.
   */
  query<Row = Record<string, unknown>>(sql: string, params?: readonly unknown[]): Promise<QueryResult<Row>>;
  /** Tells every listener of `channel`, in every process, once the statement or its transaction is committed. */
  notify(channel: string, payload: string): Promise<void>;
  /** The same connection for pg-boss, so that its rows are written in the same transaction as ours. */
  readonly bossDb: Db;
}

/**
 * The job service's database: PostgreSQL embedded in this process, or a server of its own.
 *
 * Every statement that fails because the database cannot be used at present (closed, disk full, connection lost) rejects
 * with `DatabaseUnavailableError`; every other failure is the driver's own error.
 */
export interface Database extends Queryable {
  /** Schema that holds our tables; pg-boss's lie in `<schema>_boss`. */
  readonly schema: string;
  /** Which engine pg-boss is to expect. */
  readonly backend: "pglite" | "postgres";
  /**
   * Runs `work` in one transaction: committed when it resolves, rolled back when it rejects.
   *
   * Statements of `work` go through its argument; `database.query` inside of it waits for its end, for ever.
   */
  transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T>;
  /**
   * Calls back for each notification of `channel`, from any process, until disposed.
   *
   * The payload is undefined when notifications may have been missed (the connection was lost and is back): look at the
   * tables instead.
   */
  listen(channel: string, onNotification: (payload: string | undefined) => void): Promise<AsyncDisposable>;
  /** Ends the connections and gives the data directory free. Waits for statements under way; may be called twice. */
  close(): Promise<void>;
}
