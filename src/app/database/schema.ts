import { ConfigError } from "../../errors.js";
import type { Database } from "./database.js";

/**
 * Makes sure that the schema of the database is ours: makes it when it does not exist, with the table that records the
 * migrations of each room.
 *
 * Rejects with `ConfigError` `ERR_CONFIG_INVALID` when the schema holds tables of something else; nothing is changed
 * then.
 */
export async function prepareSchema(database: Database): Promise<void> {
  await database.transaction(async (transaction) => {
    // Two servers that start at once would otherwise both make the schema, and one of them would fail.
    await transaction.query("SELECT pg_advisory_xact_lock(hashtext($1))", [`latchkey schema ${database.schema}`]);
    const { rows } = await transaction.query<{ ours: boolean; tables: number; present: boolean }>(
      `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1) AS present,
              count(*)::int AS tables,
              coalesce(bool_or(tablename = 'migration'), false) AS ours
         FROM pg_tables WHERE schemaname = $1`,
      [database.schema],
    );
    const found = rows[0];
    if (found?.ours === true) return;
    if (found !== undefined && found.tables > 0) {
      const message = `the schema ${database.schema} of the database holds tables of something else`;
      throw new ConfigError("ERR_CONFIG_INVALID", message);
    }
    // Not "IF NOT EXISTS": that asks for the right to make schemas even when there is nothing to make.
    if (found?.present !== true) await transaction.query(`CREATE SCHEMA ${database.schema}`);
    await transaction.query("CREATE TABLE migration (room text PRIMARY KEY, version int NOT NULL)");
  });
}
