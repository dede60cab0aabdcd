import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { type CliResult, cli } from "../../../support/cli.js";
import { temporaryDirectory } from "../../../support/temporary-directory.js";

const SECRET = "s".repeat(32);

describe("latchkey server with --redis-url", () => {
  let home: string;
  let secretFile: string;
  beforeEach(async () => {
    home = await temporaryDirectory();
    secretFile = join(home, "secret");
    await writeFile(secretFile, `${SECRET}\n`, { mode: 0o600 });
  });

  const server = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> =>
    cli(["server", "--port", "0", ...args], { LATCHKEY_HOME: home, ...env });

  it.each<readonly [string, (file: string) => readonly string[]]>([
    ["--redis-url", () => ["--redis-url", "redis://127.0.0.1"]],
    ["--snapshot-secret-file", (file) => ["--snapshot-secret-file", file]],
  ])("I6: refuses %s alone", async (_flag, args) => {
    const { exitCode, stderr } = await server(args(secretFile));
    expect([exitCode, stderr]).toEqual([
      1,
      "latchkey: keeping key sets needs both --redis-url and --snapshot-secret-file\n",
    ]);
  });

  it("reads both from the environment", async () => {
    const { exitCode, stderr } = await server([], { LATCHKEY_REDIS_URL: "redis://127.0.0.1" });
    expect([exitCode, stderr]).toMatchObject([1, expect.stringContaining("--snapshot-secret-file")]);
    const both = { LATCHKEY_REDIS_URL: "http://127.0.0.1", LATCHKEY_SNAPSHOT_SECRET_FILE: secretFile };
    expect(await server([], both)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("redis:// or rediss://"),
    });
  });

  it("I7: refuses a secret that others can read, that is short, or is not there, before it touches the disk", async () => {
    const open = join(home, "open");
    await writeFile(open, SECRET, { mode: 0o644 });
    const short = join(home, "short");
    await writeFile(short, `${SECRET}\nshort\n`, { mode: 0o600 });
    const empty = join(home, "empty");
    await writeFile(empty, "\n", { mode: 0o600 });
    for (const [file, message] of [
      [open, "chmod 600"],
      [short, "at least 32 bytes"],
      [empty, "at least 32 bytes"],
      [join(home, "none"), "There is no file"],
    ] as const) {
      const redis = ["--redis-url", "redis://user:hidden@127.0.0.1", "--snapshot-secret-file", file];
      const { exitCode, stderr } = await server(redis);
      expect([file, exitCode, stderr]).toEqual([file, 1, expect.stringContaining(message)]);
      expect(stderr).not.toMatch(/hidden|sssss|short\n/);
      expect(stderr.trim().split("\n")).toHaveLength(1);
    }
    expect(existsSync(join(home, "data"))).toBe(false);
  });
});
