import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { migrate } from "../../../src/app/database/migrations.js";
import { openDatabase } from "../../../src/app/database/open-database.js";
import { startChildScript } from "../../support/child-script.js";

describe("openDatabase()", () => {
  let root: string;
  let dataDir: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "latchkey-database-"));
    dataDir = join(root, "deep", "data");
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  /** Names, sizes and times of everything below a directory, the lock left out. */
  async function snapshot(directory: string): Promise<string[]> {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    return await Promise.all(
      files.sort().map(async (file) => {
        const { size, mtimeMs } = await stat(file);
        return `${file} ${size} ${mtimeMs}`;
      }),
    );
  }

  it("makes the directory for its owner only, and finds in it again what was committed", async () => {
    const first = await openDatabase({ dataDir });
    await first.query("CREATE TABLE note (bytes bytea, at timestamptz)");
    await first.transaction((transaction) =>
      transaction.query("INSERT INTO note VALUES ($1, $2)", [new Uint8Array([0, 255]), new Date(1_000)]),
    );
    const failure = first.transaction(async (transaction) => {
      await transaction.query("DELETE FROM note");
      throw new Error("no");
    });
    await expect(failure).rejects.toThrow("no");
    await first.close();
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
    expect((await stat(join(dataDir, "database"))).mode & 0o777).toBe(0o700);

    const second = await openDatabase({ dataDir });
    const { rows } = await second.query<{ bytes: Uint8Array; at: Date }>("SELECT * FROM note");
    expect(rows).toHaveLength(1);
    expect([...(rows[0]?.bytes ?? [])]).toEqual([0, 255]);
    expect(rows[0]?.at).toEqual(new Date(1_000));
    await second.close();
  });

  it("delivers notifications once their transaction is committed, and none of one that is rolled back", async () => {
    const database = await openDatabase({ dataDir });
    const received: (string | undefined)[] = [];
    const subscription = await database.listen("news", (payload) => received.push(payload));
    await database.transaction(async (transaction) => {
      await transaction.notify("news", "one");
      await transaction.query("SELECT 1");
      expect(received).toEqual([]);
    });
    await database
      .transaction(async (transaction) => {
        await transaction.notify("news", "never");
        throw new Error("no");
      })
      .catch(() => {});
    await database.notify("news", "two");
    await database.query("SELECT 1");
    await subscription[Symbol.asyncDispose]();
    await database.notify("news", "unheard");
    await database.query("SELECT 1");
    expect(received).toEqual(["one", "two"]);
    await database.close();
  });

  it("waits for statements under way when it is closed, and refuses those after", async () => {
    const database = await openDatabase({ dataDir });
    const last = database.query<{ one: number }>("SELECT 1 AS one");
    const closing = database.close();
    await expect(database.query("SELECT 1")).rejects.toMatchObject({ name: "DatabaseUnavailableError" });
    expect((await last).rows).toEqual([{ one: 1 }]);
    await Promise.all([closing, database.close()]);
  });

  it("refuses a directory that another process uses, and opens it when that one is killed", async () => {
    await using other = startChildScript("./enqueue-until-killed.ts", [dataDir]);
    await other.nextLine();
    await expect(openDatabase({ dataDir })).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: `the data directory ${dataDir} is in use by process ${other.pid}`,
    });
    await other.kill();
    await (await openDatabase({ dataDir })).close();
  });

  it("refuses a directory of something else, and one of a newer release, and changes nothing in it", async () => {
    await mkdir(dataDir, { recursive: true });
    await writeFile(join(dataDir, "thesis.txt"), "do not touch");
    let before = await snapshot(root);
    await expect(openDatabase({ dataDir })).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: `the directory ${dataDir} holds something else than latchkey's data: name an empty one`,
    });
    expect(await snapshot(root)).toEqual(before);
    expect(await readdir(dataDir)).toEqual(["thesis.txt"]);

    await writeFile(join(dataDir, "latchkey.json"), JSON.stringify({ format: 2, state: "ready" }));
    before = await snapshot(root);
    await expect(openDatabase({ dataDir })).rejects.toThrow("was written by a newer release (format 2)");
    await writeFile(join(dataDir, "latchkey.json"), "{");
    await expect(openDatabase({ dataDir })).rejects.toMatchObject({ code: "ERR_CONFIG_UNREADABLE" });
    expect(await readdir(dataDir)).toEqual(["latchkey.json", "thesis.txt"]);
  });

  it("refuses a file in place of the directory", async () => {
    await writeFile(join(root, "file"), "");
    await expect(openDatabase({ dataDir: join(root, "file") })).rejects.toMatchObject({
      code: "ERR_CONFIG_UNREADABLE",
      message: `the data directory ${join(root, "file")} cannot be used: ENOTDIR`,
    });
  });

  it("says of a damaged directory that it is, in one line, and lets go of it", async () => {
    await (await openDatabase({ dataDir })).close();
    const control = join(dataDir, "database", "global", "pg_control");
    const whole = await readFile(control);
    await truncate(control, 100);
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(openDatabase({ dataDir })).rejects.toMatchObject({
        code: "ERR_CONFIG_UNREADABLE",
        message: `the data directory ${dataDir} is damaged: the database in it does not start`,
      });
    }
    await writeFile(control, whole);
    await (await openDatabase({ dataDir })).close();
  });

  it("starts over when the very first start was interrupted, before anything could be stored", async () => {
    await mkdir(join(dataDir, "database"), { recursive: true });
    await writeFile(join(dataDir, "database", "PG_VERSION"), "18");
    await writeFile(join(dataDir, "latchkey.json"), JSON.stringify({ format: 1, state: "new" }));
    await (await openDatabase({ dataDir })).close();
    expect(JSON.parse(await readFile(join(dataDir, "latchkey.json"), "utf8"))).toEqual({ format: 1, state: "ready" });
  });

  it("refuses a bad database URL or schema without repeating it", async () => {
    for (const databaseUrl of ["secret", "mysql://user:secret@host/db"]) {
      const refusal = await openDatabase({ databaseUrl }).catch((error: Error) => error);
      expect(refusal).toMatchObject({ code: "ERR_CONFIG_INVALID" });
      expect(String(refusal)).not.toContain("secret");
    }
    await expect(openDatabase({ databaseUrl: "postgres://127.0.0.1", schema: 'x"; DROP' })).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
    });
  });

  it("says why a server cannot be used, by code", async () => {
    await expect(openDatabase({ databaseUrl: "postgres://user:secret@127.0.0.1:1/db" })).rejects.toMatchObject({
      code: "ERR_CONFIG_UNREADABLE",
      message: "the database cannot be used: ECONNREFUSED",
    });
  });
});

describe("migrate()", () => {
  it("runs each step once, all or none, and refuses tables of a newer release", async () => {
    const root = await mkdtemp(join(tmpdir(), "latchkey-migrate-"));
    const database = await openDatabase({ dataDir: join(root, "data") });
    try {
      const steps = ["CREATE TABLE a (x int); INSERT INTO a VALUES (1)", "INSERT INTO a VALUES (2)"];
      await migrate(database, { room: "test", steps: steps.slice(0, 1) });
      await migrate(database, { room: "test", steps });
      await Promise.all([migrate(database, { room: "test", steps }), migrate(database, { room: "test", steps })]);
      expect((await database.query("SELECT x FROM a ORDER BY x")).rows).toEqual([{ x: 1 }, { x: 2 }]);

      const broken = [...steps, "INSERT INTO a VALUES (3)", "INSERT INTO nowhere VALUES (1)"];
      await expect(migrate(database, { room: "test", steps: broken })).rejects.toThrow("nowhere");
      expect((await database.query("SELECT x FROM a")).rows).toHaveLength(2);

      await expect(migrate(database, { room: "test", steps: steps.slice(0, 1) })).rejects.toMatchObject({
        code: "ERR_CONFIG_INVALID",
        message: "the database was written by a newer release (test version 2, this release knows 1)",
      });
    } finally {
      await database.close();
      await rm(root, { recursive: true, force: true });
    }
  });
});
