import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cli, startCli } from "../../support/cli.js";
import { freshPublicKeyPem } from "../../support/public-keys.js";
import { openServerFixture, type ServerFixture } from "../../support/running-server.js";
import { temporaryDirectory } from "../../support/temporary-directory.js";

describe("runCli()", () => {
  it("prints help and version on standard output, with the environment variable of each flag", async () => {
    const help = await cli(["submit", "--help"], {});
    expect(help).toMatchObject({ exitCode: 0, stderr: "" });
    for (const name of ["LATCHKEY_SERVER", "LATCHKEY_CREDENTIAL", "LATCHKEY_QUEUE", "LATCHKEY_WAIT"]) {
      expect(help.stdout).toContain(`[${name}]`);
    }
    expect((await cli(["--version"], {})).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it("exits with 2 for a wrong command line, and says what is wrong on standard error", async () => {
    for (const args of [["nonsense"], ["list", "--limit", "0"], ["monitor", "not-an-id"], ["submit"], ["token"]]) {
      const { exitCode, stdout, stderr } = await cli(args, {});
      expect([exitCode, stdout], args.join(" ")).toEqual([2, ""]);
      expect(stderr).toMatch(/^error: /);
    }
  });

  it("exits with 1 for a wrong variable", async () => {
    const result = await cli(["list"], { LATCHKEY_SERVER: "ftp://x" });
    expect(result).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("LATCHKEY_SERVER") });
  });

  describe("without a server", () => {
    it("says how to make a credential when there is none", async () => {
      const { exitCode, stderr } = await cli(["list"], { LATCHKEY_HOME: await temporaryDirectory() });
      expect(exitCode).toBe(1);
      expect(stderr).toContain("latchkey init");
    });

    it("says, from the local record, who imports a credential and how, and calls nobody", async () => {
      let calls = 0;
      await using server = createServer(() => calls++).listen(0, "127.0.0.1");
      await new Promise((resolve) => server.once("listening", resolve));
      const { port } = server.address() as { readonly port: number };
      const env = { LATCHKEY_HOME: await temporaryDirectory(), LATCHKEY_SERVER: `http://127.0.0.1:${port}` };
      await cli(["init", "--org", "acme"], env);
      const { exitCode, stderr } = await cli(["submit", "--", "true"], env);
      expect(exitCode).toBe(1);
      expect(stderr).toContain("has not been imported");
      expect(stderr).toContain("latchkey credentials import default --as ADMIN");
      expect(calls).toBe(0);
    });

    it("says that the server cannot be reached, and how to start one", async () => {
      const env = { LATCHKEY_HOME: await temporaryDirectory(), LATCHKEY_SERVER: "http://127.0.0.1:1" };
      await cli(["init", "--org", "acme"], env);
      await cli(["credentials", "update", "default", "--imported"], env);
      for (const args of [["list"], ["submit", "true"], ["worker"]]) {
        const { exitCode, stderr } = await cli(args, env);
        expect(exitCode).toBe(1);
        expect(stderr).toContain("cannot reach the server at http://127.0.0.1:1: start one with `latchkey server`");
      }
    });

    it("K3: sends no token over plain http to another machine", async () => {
      const env = { LATCHKEY_HOME: await temporaryDirectory() };
      const { exitCode, stderr } = await cli(["list", "--server", "http://jobs.example"], env);
      expect(exitCode).toBe(1);
      expect(stderr).toContain("use https://");
    });
  });

  describe("with a server", () => {
    let fixture: ServerFixture;
    beforeAll(async () => {
      fixture = await openServerFixture();
      await fixture.addCredential("alice", "submitter");
      await fixture.addCredential("worker-1", "worker");
    });
    afterAll(() => fixture[Symbol.asyncDispose]());

    const submit = (...args: readonly string[]) => fixture.cli("submit", "--credential", "alice", ...args);
    const script = (text: string): readonly string[] => ["--", process.execPath, "-e", text];

    it("submits a job, runs it, and gives its output and exit code", async () => {
      const worker = startCli(["worker", "--credential", "worker-1"], fixture.env);
      await worker.printed("taking jobs from queue default");
      const text = "console.log(process.env.GREETING); console.error('warning'); process.exit(3)";
      const waited = await submit("--wait", "--env", "GREETING=hello", ...script(text));
      expect(waited).toEqual({ exitCode: 3, stdout: "hello\n", stderr: "warning\n" });

      const submitted = await submit(...script("console.log('second')"));
      const id = submitted.stdout.trim();
      expect(id).toMatch(/^[0-9a-f-]{36}$/);
      const monitored = await fixture.cli("monitor", "--credential", "alice", id);
      expect(monitored).toMatchObject({ exitCode: 0, stdout: "second\n" });
      expect(monitored.stderr).toMatch(
        /-- started, attempt 1, pid \d+\n-- exited with code 0\n-- completed, exit code 0\n/,
      );
      const events = (await fixture.cli("monitor", "--credential", "alice", id, "--json")).stdout.trim().split("\n");
      expect(events.map((line) => Object.keys(JSON.parse(line) as object))).toMatchObject([
        expect.arrayContaining(["processStarted"]),
        expect.arrayContaining(["output"]),
        expect.arrayContaining(["processEnded"]),
        expect.arrayContaining(["state", "result"]),
      ]);

      const failed = await submit("--wait", "--", "/nowhere/program");
      expect(failed.exitCode).toBe(1);
      expect(failed.stderr).toContain("failed, cannot start: no such program or working directory");

      worker.signal("SIGTERM");
      const { exitCode, stderr } = await worker.result;
      expect(exitCode).toBe(0);
      expect(stderr).toContain('"msg":"job ended"');
    }, 60_000);

    it("gives a job back when the worker is told to stop, and the next one executes it as the same attempt", async () => {
      const queue = ["--queue", "handover"];
      const first = startCli(
        ["worker", "--credential", "worker-1", ...queue, "--stop-grace-seconds", "0.1"],
        fixture.env,
      );
      await first.printed("taking jobs");
      const waiting = startCli(
        [
          "submit",
          "--credential",
          "alice",
          ...queue,
          "--wait",
          ...script("console.log('up'); setTimeout(() => {}, 2000)"),
        ],
        fixture.env,
      );
      await waiting.printed("up");
      first.signal("SIGTERM");
      expect((await first.result).exitCode).toBe(0);
      const second = startCli(["worker", "--credential", "worker-1", ...queue], fixture.env);
      expect(await waiting.result).toMatchObject({ exitCode: 0, stdout: "up\nup\n" });
      second.signal("SIGTERM");
      await second.result;
      const listed = await fixture.cli("list", "--credential", "alice", ...queue, "--json");
      expect(JSON.parse(listed.stdout)).toMatchObject([{ attempt: 1, state: "JOB_STATE_COMPLETED" }]);
    }, 60_000);

    it("leaves the job alone when the wait for it is interrupted", async () => {
      const waiting = startCli(["submit", "--credential", "alice", "--queue", "nobody", "--wait", "true"], fixture.env);
      while (!(await fixture.cli("list", "--credential", "alice", "--queue", "nobody")).stdout.includes("scheduled"));
      waiting.signal("SIGINT");
      const { exitCode, stderr } = await waiting.result;
      expect(exitCode).toBe(130);
      expect(stderr).toMatch(/job [0-9a-f-]{36} goes on; follow it with: latchkey monitor/);
    });

    it("lists jobs page by page, as a table or as JSON, by queue and state", async () => {
      const queue = ["--queue", "paging"];
      for (let i = 0; i < 3; i++) await submit(...queue, "--", "echo", `job ${i}`);
      const two = await fixture.cli("list", "--credential", "worker-1", ...queue, "--limit", "2");
      expect(two.stdout.split("\n")).toHaveLength(4);
      expect(two.stdout).toMatch(/^ID .* COMMAND\n.*echo 'job 2'\n.*echo 'job 1'\n$/);
      expect(two.stderr).toContain("there are more");
      const all = await fixture.cli("list", "--credential", "worker-1", ...queue, "--all", "--json");
      expect(JSON.parse(all.stdout)).toHaveLength(3);
      expect(all.stderr).toBe("");
      const none = await fixture.cli("list", "--credential", "worker-1", ...queue, "--state", "failed", "--json");
      expect(JSON.parse(none.stdout)).toEqual([]);
    });

    it("M9: gives the first job for the same idempotency key, and refuses it for another command", async () => {
      const key = ["--queue", "once", "--idempotency-key", "k1"];
      const first = await submit(...key, "--", "true");
      expect(await submit(...key, "--", "true")).toEqual(first);
      expect((await submit(...key, "--", "false")).exitCode).toBe(1);
    });

    it("F5: says what a credential lacks", async () => {
      const { exitCode, stderr } = await fixture.cli("submit", "--credential", "worker-1", "--", "true");
      expect(exitCode).toBe(1);
      expect(stderr).toBe(
        "latchkey: credential worker-1 may not do this: it has the role worker. Use another one with --credential, or ask an admin\n",
      );
    });

    it("names the field of a bad request", async () => {
      const { exitCode, stderr } = await submit("--env", "NOT-A-NAME=1", "--", "true");
      expect(exitCode).toBe(1);
      expect(stderr).toContain("environment");
    });

    it("says that a token was refused and may be revoked", async () => {
      await fixture.addCredential("leaver", "submitter");
      await fixture.cli("credentials", "revoke", "leaver", "--as", "admin");
      expect((await fixture.cli("list", "--credential", "leaver")).stderr).toContain("has not been imported");
      await fixture.cli("credentials", "update", "leaver", "--imported");
      const { exitCode, stderr } = await fixture.cli("list", "--credential", "leaver");
      expect(exitCode).toBe(1);
      expect(stderr).toContain("refused the token of credential leaver: it may have been revoked");
      const remote = await fixture.cli("credentials", "list", "--remote", "--credential", "admin", "--json");
      expect(JSON.parse(remote.stdout)).toContainEqual(
        expect.objectContaining({ name: "leaver", revokedAt: expect.any(String) }),
      );
      const again = await fixture.cli("credentials", "import", "leaver", "--as", "admin");
      expect(again).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("was revoked: make a new one") });
    });

    it("imports a public key from another machine", async () => {
      const path = join(fixture.home, "other.pem");
      await writeFile(path, freshPublicKeyPem());
      const args = ["credentials", "import", "other", "--as", "admin", "--public-key", path];
      expect(await fixture.cli(...args)).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("--roles") });
      const { exitCode, stdout, stderr } = await fixture.cli(...args, "--roles", "worker", "--principal", "other");
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(/^imported other into acme as worker: /);
      expect(stderr).toContain("latchkey credentials update NAME --imported --org acme --roles worker");
      expect((await fixture.cli("credentials", "list")).stdout).not.toContain("other");
    });

    it("does not import a credential that is meant for another organisation", async () => {
      await fixture.cli("init", "--name", "foreign", "--org", "globex");
      const { exitCode, stderr } = await fixture.cli("credentials", "import", "foreign", "--as", "admin");
      expect(exitCode).toBe(1);
      expect(stderr).toContain("meant for organisation globex");
    });

    it("lists and rotates the signing keys of the server, and issues its tokens", async () => {
      const dir = ["--data-dir", fixture.dataDir];
      const before = JSON.parse((await fixture.cli("keys", "list", ...dir, "--json")).stdout) as readonly object[];
      expect(before).toMatchObject([{ state: "signing", algorithm: "ES256" }]);
      expect((await fixture.cli("keys", "rotate", ...dir)).stdout).toMatch(/^\S{43} signs from 20/);
      const { stdout } = await fixture.cli("keys", "list", ...dir);
      expect(stdout).toMatch(/signing.*\n.*pending/);
      const token = await fixture.cli("token", ...dir, "--org", "acme", "--roles", "submitter");
      const response = await fetch(`${fixture.server.url}/latchkey.jobs.v1.JobService/ListJobs`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${token.stdout.trim()}` },
        body: JSON.stringify({ orgId: "acme" }),
      });
      expect(response.status).toBe(200);
      await response.arrayBuffer();
      const long = await fixture.cli("token", ...dir, "--org", "a", "--roles", "admin", "--lifetime-seconds", "9999");
      expect(long).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("at most 3600") });
    });

    it("says that no server has used a directory whose keys it is to work on", async () => {
      const { exitCode, stderr } = await fixture.cli("keys", "list", "--data-dir", await temporaryDirectory());
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/no server has put signing keys into .*: start `latchkey server`/);
    });
  });
});
