import { ConfigError } from "../../errors.js";
import type { Database } from "./database.js";

/** The tables of one room and how they came to be. */
export interface Migrations {
  /** Name of the room, such as `jobs`; part of the record, never changed. */
  readonly room: string;
  /** One script per version, the first one version 1. A script that was released is never changed. */
  readonly steps: readonly string[];
}

/**
 * Brings the tables of a room to the version this release knows, in one transaction.
 *
 * Several servers may do so at once: they wait for each other. The scripts run in the schema of the database.
 *
 * Rejects with `ConfigError` `ERR_CONFIG_INVALID` when the tables are newer than this release; nothing is changed then.
 */
export async function migrate(database: Database, { room, steps }: Migrations): Promise<void> {
  await database.transaction(async (transaction) => {
    await transaction.query("LOCK TABLE migration IN SHARE ROW EXCLUSIVE MODE");
    const { rows } = await transaction.query<{ version: number }>("SELECT version FROM migration WHERE room = $1", [
      room,
    ]);
    const version = rows[0]?.version ?? 0;
    if (version > steps.length) {
      throw new ConfigError(
        "ERR_CONFIG_INVALID",
        `the database was written by a newer release (${room} version ${version}, this release knows ${steps.length})`,
      );
    }
    if (version === steps.length) return;
    for (const step of steps.slice(version)) {
      // Parameterless scripts may hold several statements; the connection of pg-boss runs them as they are.
      await transaction.bossDb.executeSql(step);
    }
    await transaction.query(
      "INSERT INTO migration (room, version) VALUES ($1, $2) ON CONFLICT (room) DO UPDATE SET version = $2",
      [room, steps.length],
    );
  });
}
