import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CliResult, cli } from "../../../support/cli.js";
import { temporaryDirectory } from "../../../support/temporary-directory.js";

async function setUp() {
  const home = await temporaryDirectory();
  const run = (...args: readonly string[]): Promise<CliResult> =>
    cli(["credentials", ...args], { LATCHKEY_HOME: home });
  await cli(["init", "--name", "laptop", "--org", "acme", "--roles", "worker"], { LATCHKEY_HOME: home });
  await cli(["init", "--name", "ci"], { LATCHKEY_HOME: home });
  return { home, run };
}

describe("latchkey credentials", () => {
  it("lists what there is, the default marked", async () => {
    const { run } = await setUp();
    const { stdout } = await run("list");
    expect(stdout).toMatch(/^NAME.*FINGERPRINT\nci .*\nlaptop \* +acme .* worker +no .*\n$/);
    const json = JSON.parse((await run("list", "--json")).stdout) as readonly object[];
    expect(json).toMatchObject([
      { name: "ci", default: false },
      { name: "laptop", default: true, imported: false },
    ]);
  });

  it("L1: shows a credential and its public key, and nothing of the private one", async () => {
    const { run } = await setUp();
    const shown = await run("show", "laptop");
    expect(shown.stdout).toMatch(/^fingerprint {2}[1-9A-HJ-NP-Za-km-z]{43,44}$/m);
    expect(shown.stdout).toContain("no: latchkey credentials import laptop --as ADMIN");
    expect((await run("show", "--public-key")).stdout).toMatch(/^-----BEGIN PUBLIC KEY-----/);
    for (const args of [["show"], ["show", "--json"], ["show", "--public-key"], ["list", "--json"]]) {
      const { stdout, stderr } = await run(...args);
      expect(stdout + stderr).not.toMatch(/PRIVATE|"d":/);
    }
  });

  it("notes a change, which the server has to be told of", async () => {
    const { run } = await setUp();
    expect(await run("update", "laptop", "--imported")).toMatchObject({ exitCode: 0, stderr: "" });
    const changed = await run("update", "laptop", "--roles", "submitter", "--principal", "alice");
    expect(changed.stderr).toContain("latchkey credentials import laptop --as ADMIN");
    expect(JSON.parse((await run("show", "laptop", "--json")).stdout)).toMatchObject({
      roles: ["submitter"],
      principalId: "alice",
      imported: false,
    });
  });

  it("names an admin of this machine who can import", async () => {
    const { home, run } = await setUp();
    await cli(["init", "--name", "boss", "--org", "acme", "--roles", "admin"], { LATCHKEY_HOME: home });
    await run("update", "boss", "--imported");
    expect((await run("show", "laptop")).stdout).toContain("latchkey credentials import laptop --as boss");
  });

  it("changes nothing when it is not told what", async () => {
    const { run } = await setUp();
    expect(await run("update", "laptop")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("nothing to change"),
    });
  });

  it("chooses another default, and deletes", async () => {
    const { run } = await setUp();
    await run("set-default", "ci");
    expect((await run("show")).stdout).toMatch(/^name +ci$/m);
    await run("delete", "ci");
    const { exitCode, stderr } = await run("show");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/none is the default\. There are: laptop\. .*set-default/);
  });

  it.each([["show"], ["update"], ["set-default"], ["delete"]])(
    "%s lists those there are for an unknown name",
    async (command) => {
      const { run } = await setUp();
      const { exitCode, stderr } = await run(command, "nobody", ...(command === "update" ? ["--roles", "worker"] : []));
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/There is no credential "nobody".*ci, laptop/);
    },
  );

  it("I7: refuses a private key that others can read, with the command that helps", async () => {
    const { home, run } = await setUp();
    const path = join(home, "credentials", "laptop", "private-key.pem");
    await chmod(path, 0o644);
    const { exitCode, stderr } = await run("show", "laptop");
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`chmod 600 ${path}`);
  });

  it("names a damaged file", async () => {
    const { home, run } = await setUp();
    const path = join(home, "credentials", "laptop", "credential.json");
    await writeFile(path, "{");
    const { exitCode, stderr } = await run("show", "laptop");
    expect(exitCode).toBe(1);
    expect(stderr).toContain(path);
  });
});
