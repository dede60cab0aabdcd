import { readFileSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cli } from "../../../support/cli.js";
import { createCliHome } from "../../../support/cli-home.js";
import { temporaryDirectory } from "../../../support/temporary-directory.js";

describe("latchkey doctor", () => {
  it("finds a machine in order that has an imported credential", async () => {
    const home = await createCliHome("http://127.0.0.1:1");
    expect(await home.run("doctor")).toEqual({
      exitCode: 0,
      stderr: "",
      stdout: [
        `ok     Node.js ${process.versions.node}`,
        `ok     home is ${home.directory}`,
        "ok     credential alice of acme is imported",
        "ok     all optional packages are installed",
        "",
      ].join("\n"),
    });
  });

  it("says what is missing on a fresh machine, and makes nothing", async () => {
    const env = { LATCHKEY_HOME: join(await temporaryDirectory(), "home") };
    const first = await cli(["doctor"], env);
    expect(first.exitCode).toBe(1);
    expect(first.stdout).toContain(`note   there is no ${env.LATCHKEY_HOME} yet: \`latchkey init\` makes it`);
    expect(first.stdout).toMatch(/^wrong {2}No credential was named, and none is the default.*latchkey init/m);
    expect(await cli(["doctor"], env)).toEqual(first);
  });

  it("says who imports a credential, and how", async () => {
    const env = { LATCHKEY_HOME: await temporaryDirectory() };
    await cli(["init", "--name", "ci"], env);
    const { exitCode, stdout } = await cli(["doctor"], env);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(
      /^wrong {2}no server has imported credential ci.*latchkey credentials import ci --as ADMIN$/m,
    );
  });

  it("I7: finds a private key that others can read, and a home that others can change", async () => {
    const home = await createCliHome("http://127.0.0.1:1");
    const key = join(home.directory, "credentials", "alice", "private-key.pem");
    await chmod(key, 0o644);
    const open = await home.run("doctor");
    expect(open.exitCode).toBe(1);
    expect(open.stdout).toMatch(new RegExp(`^wrong {2}.*chmod 600 ${key}$`, "m"));
    await chmod(key, 0o600);
    await chmod(home.directory, 0o770);
    const shared = await home.run("doctor");
    expect(shared.exitCode).toBe(1);
    expect(shared.stdout).toContain(`wrong  ${home.directory} can be changed by other users`);
  });

  it("names a damaged record, and a home that is none", async () => {
    const home = await createCliHome("http://127.0.0.1:1");
    const record = join(home.directory, "credentials", "alice", "credential.json");
    await writeFile(record, "{");
    expect((await home.run("doctor")).stdout).toContain(`wrong  ${record} is damaged`);
    const { exitCode, stdout } = await cli(["doctor"], { LATCHKEY_HOME: record });
    expect(exitCode).toBe(1);
    expect(stdout).toContain(`wrong  ${record} is not a directory`);
  });
});

describe("latchkey doctor --policy", () => {
  it("shows who may call each method of the job service, without a server or a credential", async () => {
    const { exitCode, stdout, stderr } = await cli(["doctor", "--policy"], {
      LATCHKEY_HOME: await temporaryDirectory(),
    });
    expect([exitCode, stderr]).toEqual([0, ""]);
    const [headings, ...lines] = stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/ {2,}/));
    expect(headings).toEqual(["METHOD", "RULE FROM", "WHO MAY CALL", "ORG FIELD"]);
    expect(lines).toContainEqual([
      "latchkey.jobs.v1.JobService/EnqueueJob",
      "method option",
      "role submitter or admin",
      "org_id",
    ]);
    expect(lines.map(([method]) => method)).toContain("latchkey.credentials.v1.CredentialService/RevokeCredential");
    expect(lines.length).toBeGreaterThan(10);
    expect(readFileSync("docs/job-service.md", "utf8")).toContain(`$ latchkey doctor --policy\n${stdout}`);
  });
});
