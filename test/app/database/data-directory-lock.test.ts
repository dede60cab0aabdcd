import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { acquireDataDirectoryLock } from "../../../src/app/database/data-directory-lock.js";
import { startChildScript } from "../../support/child-script.js";

describe("acquireDataDirectoryLock()", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "latchkey-lock-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it("refuses a second holder in the same process until the first has released", async () => {
    const lock = await acquireDataDirectoryLock(directory);
    await expect(acquireDataDirectoryLock(directory)).rejects.toMatchObject({
      name: "ConfigError",
      code: "ERR_CONFIG_INVALID",
      message: `the data directory ${directory} is in use by process ${process.pid}`,
    });
    await lock.release();
    await (await acquireDataDirectoryLock(directory)).release();
    expect(await readdir(join(directory, "lock"))).toEqual([]);
  });

  it("names the process that holds the directory, and is free the moment it is killed", async () => {
    await using holder = startChildScript("./lock-directory.ts", [directory]);
    expect(await holder.nextLine()).toBe("held");
    await expect(acquireDataDirectoryLock(directory)).rejects.toThrow(`in use by process ${holder.pid}`);
    await holder.kill();
    const lock = await acquireDataDirectoryLock(directory);
    await lock.release();
    // What the killed process left is gone.
    expect(await readdir(join(directory, "lock"))).toEqual([]);
  });

  it("gives the directory to one of several processes that start at once", async () => {
    const starters = Array.from({ length: 4 }, () => startChildScript("./lock-directory.ts", [directory]));
    try {
      const lines = await Promise.all(starters.map((starter) => starter.nextLine()));
      expect(lines.filter((line) => line === "held")).toHaveLength(1);
      expect(lines.filter((line) => line.includes("is in use by process"))).toHaveLength(3);
    } finally {
      for (const starter of starters) await starter.kill();
    }
  });

  it("gives the directory to exactly one of many claims made at once", async () => {
    for (let round = 0; round < 10; round++) {
      const claims = await Promise.allSettled(Array.from({ length: 5 }, () => acquireDataDirectoryLock(directory)));
      const held = claims.flatMap((claim) => (claim.status === "fulfilled" ? [claim.value] : []));
      expect(held).toHaveLength(1);
      await held[0]?.release();
    }
  });

  it("takes a file that is no living socket for the rest of an ended process", async () => {
    await mkdir(join(directory, "lock"));
    await writeFile(join(directory, "lock", "1-dead.sock"), "");
    await writeFile(join(directory, "lock", "1-dead.held"), "");
    await (await acquireDataDirectoryLock(directory)).release();
    expect(await readdir(join(directory, "lock"))).toEqual([]);
  });

  it.runIf(process.platform === "linux")("works for a path longer than a socket's address", async () => {
    const deep = join(directory, "d".repeat(100), "e".repeat(100));
    await mkdir(deep, { recursive: true });
    const lock = await acquireDataDirectoryLock(deep);
    await expect(acquireDataDirectoryLock(deep)).rejects.toThrow("in use by process");
    await lock.release();
  });
});
