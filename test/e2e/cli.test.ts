import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BinaryProcess, buildBinary, startBinary } from "../support/binary.js";

describe("the latchkey command", () => {
  let home: string;
  let env: Record<string, string>;
  let server: BinaryProcess;

  async function run(...args: readonly string[]) {
    await using child = startBinary(args, env);
    return await child.ended();
  }

  async function startServer(): Promise<BinaryProcess> {
    const started = startBinary(["server", "--port", "0", "--init-org", "acme"], env);
    const [, url = ""] = await started.printed(/^serving at (\S+)$/m);
    env["LATCHKEY_SERVER"] = url;
    return started;
  }

  beforeAll(async () => {
    await buildBinary();
    home = await mkdtemp(join(tmpdir(), "latchkey-e2e-"));
    env = { LATCHKEY_HOME: home };
    server = await startServer();
    for (const [name, role] of [
      ["alice", "submitter"],
      ["worker-1", "worker"],
    ] as const) {
      await run("init", "--name", name, "--roles", role);
      const { exitCode, stderr } = await run("credentials", "import", name, "--as", "admin");
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    }
  }, 120_000);
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  });

  const node = (script: string): readonly string[] => ["--", process.execPath, "-e", script];
  const startWorker = async (...args: readonly string[]): Promise<BinaryProcess> => {
    const worker = startBinary(["worker", "--credential", "worker-1", ...args], env);
    await worker.printed(/taking jobs/);
    return worker;
  };

  it("made the organisation and imported the default credential as its admin", async () => {
    expect(server.stderr).toContain("organisation acme was made; credential admin is its admin");
    const { stdout } = await run("credentials", "list", "--remote", "--json");
    expect(JSON.parse(stdout)).toContainEqual(
      expect.objectContaining({ name: "admin", orgId: "acme", roles: ["admin"] }),
    );
  });

  it("keeps its results on standard output and everything else on standard error", async () => {
    await using worker = await startWorker();
    const waited = await run("submit", "--credential", "alice", "--wait", ...node("console.log(1); console.error(2)"));
    expect(waited).toEqual({ exitCode: 0, stdout: "1\n", stderr: "2\n" });
    worker.kill("SIGTERM");
    const { exitCode, stdout, stderr } = await worker.ended();
    expect(exitCode).toBe(0);
    expect(stdout.split("\n")).toHaveLength(2);
    for (const line of stderr.trim().split("\n")) expect(JSON.parse(line)).toHaveProperty("msg");
  }, 60_000);

  it("goes on working when nobody reads its log any more", async () => {
    await using worker = await startWorker("--queue", "unread");
    worker.closeStderr();
    const submit = ["submit", "--credential", "alice", "--queue", "unread", "--wait"];
    // Each job is logged at its start and at its end.
    expect(await run(...submit, ...node("console.log(1)"))).toMatchObject({ exitCode: 0, stdout: "1\n" });
    expect(await run(...submit, ...node("console.log(2)"))).toMatchObject({ exitCode: 0, stdout: "2\n" });
    worker.kill("SIGTERM");
    expect((await worker.ended()).exitCode).toBe(0);
  }, 60_000);

  it("J6: streams a job longer than its tokens live, without a gap and without a repetition", async () => {
    // Tokens are backdated by 10 s: these live 3 s, and the server cuts their streams 5 s later at the latest.
    const short = ["--token-lifetime-seconds", "13"];
    await using worker = await startWorker(...short, "--queue", "long");
    const count = "let n = 0; const t = setInterval(() => { console.log(++n); if (n === 90) clearInterval(t); }, 100)";
    const waited = await run("submit", "--credential", "alice", "--queue", "long", ...short, "--wait", ...node(count));
    expect(waited.stdout.trim().split("\n").map(Number)).toEqual(Array.from({ length: 90 }, (_, index) => index + 1));
    expect(waited.exitCode).toBe(0);
    expect(worker.stderr).not.toContain('"level":40');
  }, 60_000);

  it("M6: has lost nothing when the server and a worker are killed, and ends the job once", async () => {
    const queue = ["--queue", "crash"];
    const worker = await startWorker(...queue, "--lease-seconds", "2");
    const script = `
      console.log("attempt", process.env.LATCHKEY_JOB_ATTEMPT);
      // Runs until its worker is killed: a test leaves no process behind.
      const worker = process.ppid;
      if (process.env.LATCHKEY_JOB_ATTEMPT === "1") setInterval(() => process.ppid === worker || process.exit(), 100);`;
    const submitted = await run("submit", "--credential", "alice", ...queue, ...node(script));
    const id = submitted.stdout.trim();
    await using monitor = startBinary(["monitor", "--credential", "alice", id], env);
    await monitor.printed(/attempt 1/);
    const waiting = (await run("submit", "--credential", "alice", ...queue, "--", "true")).stdout.trim();

    worker.kill("SIGKILL");
    server.kill("SIGKILL");
    await Promise.all([worker.ended(), server.ended()]);
    const { port } = new URL(env["LATCHKEY_SERVER"] ?? "");
    server = startBinary(["server", "--port", port], env);
    await server.printed(/serving/);

    await using _second = await startWorker(...queue);
    const monitored = await monitor.ended();
    expect(monitored.exitCode).toBe(0);
    expect(monitored.stdout).toBe("attempt 1\nattempt 2\n");
    const { stdout } = await run("monitor", "--credential", "alice", waiting, "--json");
    expect(JSON.parse(stdout.trim().split("\n").at(-1) ?? "")).toMatchObject({ state: "JOB_STATE_COMPLETED" });
  }, 120_000);

  it("refuses a directory in use and a busy port with one line each", async () => {
    const inUse = await run("server", "--port", "0");
    expect(inUse.exitCode).toBe(1);
    expect(inUse.stderr).toMatch(new RegExp(`^latchkey: the data directory .* is in use by process ${server.pid}\n$`));
    const { port } = new URL(env["LATCHKEY_SERVER"] ?? "");
    const dataDir = join(home, "other");
    const busy = await run("server", "--port", port, "--data-dir", dataDir);
    expect(busy.exitCode).toBe(1);
    expect(busy.stderr).toMatch(/^latchkey: cannot listen on .*: the port is in use by another process.*\n$/);
    expect(existsSync(dataDir)).toBe(false);
  }, 60_000);

  it("refuses a directory that holds something else, and changes nothing in it", async () => {
    const dataDir = await mkdtemp(join(home, "foreign-"));
    await writeFile(join(dataDir, "thesis.txt"), "mine");
    const { exitCode, stderr } = await run("server", "--port", "0", "--data-dir", dataDir, "--init-org", "other");
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^latchkey: the directory .* holds something else.*\n$/);
    expect(await readdir(dataDir)).toEqual(["thesis.txt"]);
  }, 60_000);

  it("refuses to listen in plaintext for other machines, and half of a TLS set-up", async () => {
    const exposed = await run("server", "--host", "0.0.0.0", "--data-dir", join(home, "none"));
    expect(exposed).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("only a loopback address") });
    const half = await run("server", "--tls-cert", "cert.pem", "--data-dir", join(home, "none"));
    expect(half).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("--tls-key") });
    expect(existsSync(join(home, "none"))).toBe(false);
  }, 60_000);

  it("lets who has the keys directory operate the key caches, by a token for that", async () => {
    const ask = async (...args: readonly string[]): Promise<readonly [number, unknown]> => {
      const { stdout } = await run("token", "--org", "acme", ...args);
      const response = await fetch(`${env["LATCHKEY_SERVER"]}/admin/jwks/providers/latchkey/own/refresh`, {
        method: "POST",
        headers: { authorization: `Bearer ${stdout.trim()}` },
      });
      return [response.status, await response.json()];
    };
    expect(await ask("--roles", "operator")).toMatchObject([200, { state: "ready", issuer: env["LATCHKEY_SERVER"] }]);
    expect(await ask("--roles", "admin")).toMatchObject([403, { error: { code: "ERR_ACCESS_DENIED" } }]);
  }, 60_000);

  it("shuts down in order on SIGTERM", async () => {
    server.kill("SIGTERM");
    const { exitCode, stderr } = await server.ended();
    expect(exitCode).toBe(0);
    expect(stderr).toContain('"msg":"stopped"');
    server = await startServer();
  }, 60_000);

  it("leaves nothing behind when the demo is interrupted", async () => {
    await using demo = startBinary(["demo"], { LATCHKEY_HOME: home });
    const [, dataDir = ""] = await demo.printed(/data in (\S+)/);
    await demo.printed(/taking jobs/);
    expect(existsSync(dataDir)).toBe(true);
    demo.kill("SIGINT");
    expect((await demo.ended()).exitCode).toBe(130);
    expect(existsSync(join(dataDir, ".."))).toBe(false);
  }, 120_000);
});
