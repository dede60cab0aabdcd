import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { beforeEach, describe, expect, it } from "vitest";
import { loadIssuerSettings, saveIssuerSettings } from "../../../../src/app/server/issuer-settings.js";
import { openOwnIssuer } from "../../../../src/app/server/own-issuer.js";
import { createVerifier } from "../../../../src/verify/verifier.js";
import { type CliResult, cli } from "../../../support/cli.js";
import { temporaryDirectory } from "../../../support/temporary-directory.js";

const ISSUER = "https://jobs.example";

describe("latchkey token", () => {
  let keysDir: string;
  beforeEach(async () => {
    keysDir = join(await temporaryDirectory(), "keys");
    await mkdir(keysDir, { mode: 0o700 });
    await saveIssuerSettings(keysDir, {
      issuer: ISSUER,
      audience: "latchkey",
      keyGraceSeconds: 600,
      tokenLifetimeSeconds: 900,
    });
  });

  const token = (...args: readonly string[]): Promise<CliResult> => cli(["token", "--keys-dir", keysDir, ...args], {});
  const who = ["--org", "acme", "--roles", "worker,admin"];

  it("prints one token that the published keys verify, and nothing else", async () => {
    const { exitCode, stdout, stderr } = await token(...who, "--subject", "ops:jane");
    expect([exitCode, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    using own = openOwnIssuer(keysDir, await loadIssuerSettings(keysDir));
    const keys = { keys: [...(await own.keyRing.publicKeys())] };
    await using verifier = createVerifier({
      issuers: [{ issuer: ISSUER, audience: "latchkey", algorithms: ["ES256"], keys }],
    });
    const principal = await verifier.verify(stdout.trim());
    expect(principal).toMatchObject({ subject: "ops:jane", org: "acme" });
    expect([...principal.roles].toSorted()).toEqual(["admin", "worker"]);
  });

  it("stands for the operator and lives as long as the server permits, unless told otherwise", async () => {
    const lifeOf = async (...args: readonly string[]): Promise<unknown> => {
      const { sub, iat = 0, exp = 0 } = decodeJwt((await token(...who, ...args)).stdout.trim());
      return [sub, exp - iat];
    };
    expect(await lifeOf()).toEqual(["operator", 900]);
    expect(await lifeOf("--lifetime-seconds", "60")).toEqual(["operator", 60]);
    expect(await lifeOf("--lifetime-seconds", "900")).toEqual(["operator", 900]);
  });

  it("gives tokens to operators", async () => {
    const { stdout } = await token("--org", "acme", "--roles", "operator");
    expect(decodeJwt(stdout.trim())).toMatchObject({ org: "acme", roles: ["operator"] });
  });

  it("I6: gives no token that lives longer than the server was told", async () => {
    expect(await token(...who, "--lifetime-seconds", "901")).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: "latchkey: --lifetime-seconds must be at most 900, as the server was told\n",
    });
  });

  it.each([
    [["--org", "acme"], "--roles"],
    [["--roles", "admin"], "--org"],
    [["--org", "ac/me", "--roles", "admin"], "--org"],
    [["--org", "acme", "--roles", "root"], "--roles"],
    [["--org", "acme", "--roles", ""], "--roles"],
    [["--org", "acme", "--roles", "admin", "--subject", "a\nb"], "--subject"],
    [["--org", "acme", "--roles", "admin", "--lifetime-seconds", "1e9"], "--lifetime-seconds"],
  ])("refuses %j, naming the flag", async (args, flag) => {
    const { exitCode, stdout, stderr } = await token(...args);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(flag);
  });

  it("gives none where no server has been", async () => {
    const { exitCode, stdout, stderr } = await cli(["token", ...who, "--keys-dir", await temporaryDirectory()], {});
    expect([exitCode, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("start `latchkey server`");
  });
});
