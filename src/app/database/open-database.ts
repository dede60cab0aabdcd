import { loadPart } from "../load-part.js";
import type { Database } from "./database.js";

/** Where the database is. */
export type OpenDatabaseOptions =
  | {
      /** Directory of the embedded database; made, readable by its owner only, when it does not exist. */
      readonly dataDir: string;
      readonly databaseUrl?: undefined;
    }
  | {
      readonly dataDir?: undefined;
      /** Connection string of a PostgreSQL server, `postgres://user:password@host:port/database`. */
      readonly databaseUrl: string;
      /** Schema for our tables, so that several services may share a database. @defaultValue `"latchkey"` */
      readonly schema?: string;
    };

/**
 * Opens the database of the job service and readies our schema in it; tables are made by the rooms that own them
 * (`migrate` in `migrations.ts`).
 *
 * @returns The database; the caller closes it.
 * Rejects with `ConfigError`, one line each: `ERR_DEPENDENCY_MISSING` (the driver's package is not installed),
 * `ERR_CONFIG_INVALID` (a directory that another process uses or that holds something else, a bad connection string),
 * `ERR_CONFIG_UNREADABLE` (a damaged directory, a server that cannot be reached).
 */
export async function openDatabase(options: OpenDatabaseOptions): Promise<Database> {
  // Loaded on demand: who uses one engine need not install the other.
  if (options.databaseUrl !== undefined) {
    const { openPgDatabase } = await loadPart(() => import("./pg-database.js"));
    return openPgDatabase({ databaseUrl: options.databaseUrl, schema: options.schema ?? "latchkey" });
  }
  const { openPgliteDatabase } = await loadPart(() => import("./pglite-database.js"));
  return openPgliteDatabase(options.dataDir);
}
