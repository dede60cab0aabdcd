import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { saveIssuerSettings } from "../../../../src/app/server/issuer-settings.js";
import { type CliResult, cli } from "../../../support/cli.js";
import { temporaryDirectory } from "../../../support/temporary-directory.js";

const GRACE_SECONDS = 600;

interface Entry {
  readonly kid: string;
  readonly state: string;
  readonly publishedAtMs: number;
  readonly signsFromMs: number;
}

describe("latchkey keys", () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await temporaryDirectory();
    await mkdir(join(dataDir, "keys"), { mode: 0o700 });
    await saveIssuerSettings(join(dataDir, "keys"), {
      issuer: "https://jobs.example",
      audience: "latchkey",
      keyGraceSeconds: GRACE_SECONDS,
      tokenLifetimeSeconds: 3_600,
    });
  });

  const keys = (...args: readonly string[]): Promise<CliResult> => cli(["keys", ...args, "--data-dir", dataDir], {});
  const list = async (): Promise<readonly Entry[]> => JSON.parse((await keys("list", "--json")).stdout) as Entry[];

  it("publishes a new key at once and lets it sign only after the grace", async () => {
    const [first] = await list();
    const { exitCode, stdout } = await keys("rotate");
    expect(exitCode).toBe(0);
    const after = await list();
    expect(after.map(({ state }) => state)).toEqual(["signing", "pending"]);
    const [signing, next] = after;
    expect(signing?.kid).toBe(first?.kid);
    expect((next?.signsFromMs ?? 0) - (next?.publishedAtMs ?? 0)).toBe(GRACE_SECONDS * 1_000);
    expect(stdout).toBe(`${next?.kid} signs from ${new Date(next?.signsFromMs ?? 0).toISOString()}\n`);
  });

  it("lists one key per line under headings", async () => {
    await keys("rotate");
    const { stdout, stderr } = await keys("list");
    const [headings, ...rows] = stdout.trimEnd().split("\n");
    expect(headings?.split(/ {2,}/)).toEqual(["KID", "ALGORITHM", "STATE", "PUBLISHED", "SIGNS FROM", "RETIRES"]);
    expect(rows.map((row) => row.split(/ {2,}/).slice(1, 3))).toEqual([
      ["ES256", "signing"],
      ["ES256", "pending"],
    ]);
    expect(stderr).toBe("");
  });

  it("L1: shows nothing of a private key", async () => {
    await keys("rotate");
    for (const args of [["list"], ["list", "--json"], ["rotate"]]) {
      const { stdout, stderr } = await keys(...args);
      expect(stdout + stderr).not.toMatch(/PRIVATE|"d"|privateKey/);
    }
  });

  it("works on the directory of keys that is named, or that of the data directory", async () => {
    const [{ kid } = { kid: "" }] = await list();
    const elsewhere = await temporaryDirectory();
    const named = await cli(
      ["keys", "list", "--json", "--data-dir", elsewhere, "--keys-dir", join(dataDir, "keys")],
      {},
    );
    expect(JSON.parse(named.stdout)).toMatchObject([{ kid }]);
    const byEnvironment = await cli(["keys", "list", "--json"], { LATCHKEY_DATA_DIR: dataDir });
    expect(JSON.parse(byEnvironment.stdout)).toMatchObject([{ kid }]);
  });

  it("changes nothing where no server has been", async () => {
    const elsewhere = await temporaryDirectory();
    const { readdir } = await import("node:fs/promises");
    for (const command of ["list", "rotate"]) {
      const { exitCode, stdout, stderr } = await cli(["keys", command, "--keys-dir", elsewhere], {});
      expect([exitCode, stdout]).toEqual([1, ""]);
      expect(stderr).toContain(`no server has put signing keys into ${elsewhere}`);
    }
    expect(await readdir(elsewhere)).toEqual([]);
  });
});
