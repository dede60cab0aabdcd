import { stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cli } from "../../../support/cli.js";
import { temporaryDirectory } from "../../../support/temporary-directory.js";

describe("latchkey init", () => {
  it("makes a credential that only its owner can read, and says how a server gets to know it", async () => {
    const env = { LATCHKEY_HOME: join(await temporaryDirectory(), "home") };
    const { exitCode, stdout, stderr } = await cli(["init", "--org", "acme"], env);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^credential default: [1-9A-HJ-NP-Za-km-z]{43,44}\n$/);
    expect(stderr).toContain("it is the default credential");
    expect(stderr).toContain("latchkey credentials import default --as ADMIN");
    const { mode } = await stat(join(env.LATCHKEY_HOME, "credentials", "default", "private-key.pem"));
    expect(mode & 0o777).toBe(0o600);
  });

  it("keeps the first credential as the default, and never overwrites one", async () => {
    const env = { LATCHKEY_HOME: await temporaryDirectory() };
    await cli(["init"], env);
    const second = await cli(["init", "--name", "ci", "--roles", "worker,submitter", "--algorithm", "EdDSA"], env);
    expect(second.stderr).not.toContain("default credential");
    const before = await cli(["credentials", "show", "--public-key"], env);
    const again = await cli(["init"], env);
    expect(again).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("There is a credential default already"),
    });
    expect(await cli(["credentials", "show", "--public-key"], env)).toEqual(before);
  });

  it("takes every flag from the environment too", async () => {
    const env = {
      LATCHKEY_HOME: await temporaryDirectory(),
      LATCHKEY_NAME: "robot",
      LATCHKEY_ORG: "acme",
      LATCHKEY_PRINCIPAL: "robot@acme",
      LATCHKEY_ROLES: "worker",
    };
    await cli(["init"], env);
    const { stdout } = await cli(["credentials", "show", "robot", "--json"], env);
    expect(JSON.parse(stdout)).toMatchObject({ orgId: "acme", principalId: "robot@acme", roles: ["worker"] });
  });

  it.each([
    [["--roles", "root"], "submitter, worker, admin"],
    [["--algorithm", "none"], "ES256"],
    [["--name", "a/b"], "letters"],
    [["--unknown"], "unknown option"],
  ])("exits with 2 for %j, and makes nothing", async (args, message) => {
    const env = { LATCHKEY_HOME: await temporaryDirectory() };
    const { exitCode, stdout, stderr } = await cli(["init", ...args], env);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
    expect((await cli(["credentials", "list"], env)).stderr).toContain("no credentials yet");
  });
});
