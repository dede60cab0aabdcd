import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { openDataDirectory } from "../../../src/app/database/data-directory.js";
import { temporaryDirectory } from "../../support/temporary-directory.js";

describe("openDataDirectory()", () => {
  let directory: string;
  beforeEach(async () => {
    directory = join(await temporaryDirectory(), "a", "b");
  });

  const marker = async (): Promise<unknown> => JSON.parse(await readFile(join(directory, "latchkey.json"), "utf8"));
  const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

  it("makes what is missing, for its owner only", async () => {
    const held = await openDataDirectory(directory);
    expect(held.databasePath).toBe(join(directory, "database"));
    expect(await modeOf(directory)).toBe(0o700);
    expect(await modeOf(held.databasePath)).toBe(0o700);
    expect(await modeOf(join(directory, "latchkey.json"))).toBe(0o600);
    expect(await marker()).toEqual({ format: 1, state: "new" });
    await held.release();
  });

  it("keeps the database once it was made, and throws the rest of an interrupted start away", async () => {
    const first = await openDataDirectory(directory);
    await writeFile(join(first.databasePath, "half"), "");
    await first.release();
    const second = await openDataDirectory(directory);
    expect(await readdir(second.databasePath)).toEqual([]);
    await writeFile(join(second.databasePath, "whole"), "");
    await second.markReady();
    await second.release();
    const third = await openDataDirectory(directory);
    expect(await readdir(third.databasePath)).toEqual(["whole"]);
    expect((await readdir(directory)).toSorted()).toEqual(["database", "latchkey.json", "lock"]);
    await third.release();
  });

  it("takes a directory that holds signing keys, or what a file system puts at its root", async () => {
    await mkdir(join(directory, "keys"), { recursive: true });
    await writeFile(join(directory, "keys", "key.json"), "kept");
    await mkdir(join(directory, "lost+found"));
    await (await openDataDirectory(directory)).release();
    expect(await readFile(join(directory, "keys", "key.json"), "utf8")).toBe("kept");
  });

  it.each(["", "{", "null", "[]", '{"format":1}', '{"format":"1","state":"ready"}', '{"format":1,"state":"old"}'])(
    "calls a directory with the marker %j damaged, and puts nothing into it",
    async (text) => {
      await mkdir(directory, { recursive: true });
      await writeFile(join(directory, "latchkey.json"), text);
      await expect(openDataDirectory(directory)).rejects.toMatchObject({
        code: "ERR_CONFIG_UNREADABLE",
        message: `the data directory ${directory} is damaged: latchkey.json is unreadable`,
      });
      expect(await readdir(directory)).toEqual(["latchkey.json"]);
    },
  );

  it("lets go of the directory when it cannot be used", async () => {
    const first = await openDataDirectory(directory);
    await first.markReady();
    await first.release();
    const { rename } = await import("node:fs/promises");
    await rename(join(directory, "database"), join(directory, "keys"));
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(openDataDirectory(directory)).rejects.toMatchObject({
        code: "ERR_CONFIG_UNREADABLE",
        message: `the data directory ${directory} cannot be used: ENOENT`,
      });
    }
    await rename(join(directory, "keys"), join(directory, "database"));
    await (await openDataDirectory(directory)).release();
  });

  it("starts over when the very first start was interrupted before its marker was in place", async () => {
    await mkdir(join(directory, "lock"), { recursive: true });
    await writeFile(join(directory, "latchkey.json.new"), "{");
    await (await openDataDirectory(directory)).release();
  });
});
