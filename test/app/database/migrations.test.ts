import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Database } from "../../../src/app/database/database.js";
import { migrate } from "../../../src/app/database/migrations.js";
import { openDatabase } from "../../../src/app/database/open-database.js";

describe("migrate()", () => {
  let root: string;
  let database: Database;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "latchkey-migrations-"));
    database = await openDatabase({ dataDir: join(root, "data") });
  });
  afterAll(async () => {
    await database.close();
    await rm(root, { recursive: true, force: true });
  });

  const versions = async (): Promise<Record<string, unknown>> => {
    const { rows } = await database.query<{ room: string; version: number }>("SELECT room, version FROM migration");
    return Object.fromEntries(rows.map(({ room, version }) => [room, version]));
  };

  it("keeps a version for each room, and runs the steps after it alone", async () => {
    const steps = ["CREATE TABLE one (x int)", "ALTER TABLE one ADD y int"];
    await migrate(database, { room: "one", steps: steps.slice(0, 1) });
    // The first step would fail if it ran again.
    await migrate(database, { room: "one", steps });
    await migrate(database, { room: "two", steps: ["CREATE TABLE two (x int)"] });
    await migrate(database, { room: "none", steps: [] });
    expect(await versions()).toEqual({ one: 2, two: 1 });
    await database.query("SELECT x, y FROM one, (SELECT 1 FROM two) AS two");
  });

  it("runs the first step once for several servers that start at once", async () => {
    const room = { room: "crowd", steps: ["CREATE TABLE crowd (x int); INSERT INTO crowd VALUES (1)"] };
    await Promise.all(Array.from({ length: 5 }, () => migrate(database, room)));
    expect((await database.query("SELECT x FROM crowd")).rows).toHaveLength(1);
  });

  it("records no version of a room whose first step fails half-way, and leaves nothing of it", async () => {
    const broken = { room: "broken", steps: ["CREATE TABLE broken (x int); INSERT INTO nowhere VALUES (1)"] };
    await expect(migrate(database, broken)).rejects.toThrow("nowhere");
    expect(await versions()).not.toHaveProperty("broken");
    await migrate(database, { room: "broken", steps: ["CREATE TABLE broken (x int)"] });
    expect(await versions()).toMatchObject({ broken: 1 });
  });

  it("changes nothing of a newer release's tables, those of other rooms neither", async () => {
    await database.query("INSERT INTO migration (room, version) VALUES ('later', 3)");
    await expect(migrate(database, { room: "later", steps: ["DROP TABLE one", "SELECT 1"] })).rejects.toMatchObject({
      name: "ConfigError",
      code: "ERR_CONFIG_INVALID",
      message: "the database was written by a newer release (later version 3, this release knows 2)",
    });
    expect(await versions()).toMatchObject({ later: 3, one: 2 });
    await database.query("SELECT 1 FROM one");
  });
});
