import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../../../src/app/database/database.js";
import { openDatabase } from "../../../src/app/database/open-database.js";
import { prepareSchema } from "../../../src/app/database/schema.js";

describe("prepareSchema()", () => {
  let root: string;
  let database: Database;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "latchkey-schema-"));
    database = await openDatabase({ dataDir: join(root, "data") });
  });
  afterAll(async () => {
    await database.close();
    await rm(root, { recursive: true, force: true });
  });

  /** The same database as a service sees it that keeps its tables in another schema. */
  function inSchema(schema: string): Database {
    return {
      ...database,
      schema,
      transaction: (work) =>
        database.transaction(async (transaction) => {
          await transaction.query(`SET LOCAL search_path TO ${schema}`);
          return await work(transaction);
        }),
    };
  }
  async function tablesOf(schema: string): Promise<unknown[]> {
    const sql = "SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY tablename";
    return (await database.query<{ tablename: string }>(sql, [schema])).rows.map(({ tablename }) => tablename);
  }

  it("makes a schema that is not there, with the table of migrations", async () => {
    await prepareSchema(inSchema("fresh"));
    expect(await tablesOf("fresh")).toEqual(["migration"]);
  });

  it("uses a schema that was made for it and is empty", async () => {
    await database.query("CREATE SCHEMA given");
    await prepareSchema(inSchema("given"));
    expect(await tablesOf("given")).toEqual(["migration"]);
  });

  it("leaves its own schema as it is, with everything in it", async () => {
    await database.query("INSERT INTO migration (room, version) VALUES ('jobs', 7)");
    await database.query("CREATE TABLE job (id int)");
    await Promise.all([prepareSchema(database), prepareSchema(database)]);
    expect((await database.query("SELECT room, version FROM migration")).rows).toEqual([{ room: "jobs", version: 7 }]);
    expect(await tablesOf("latchkey")).toEqual(["job", "migration"]);
  });

  it("refuses a schema with tables of something else, and changes nothing in it", async () => {
    await database.query("CREATE SCHEMA foreign_shop");
    await database.query("CREATE TABLE foreign_shop.invoice (id int)");
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(prepareSchema(inSchema("foreign_shop"))).rejects.toMatchObject({
        name: "ConfigError",
        code: "ERR_CONFIG_INVALID",
        message: "the schema foreign_shop of the database holds tables of something else",
      });
    }
    expect(await tablesOf("foreign_shop")).toEqual(["invoice"]);
  });

  it("makes one schema for several that start at once", async () => {
    const other = inSchema("together");
    await Promise.all(Array.from({ length: 5 }, () => prepareSchema(other)));
    expect(await tablesOf("together")).toEqual(["migration"]);
  });
});
