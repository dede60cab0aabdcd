import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Environment } from "../../src/app/cli/cli-context.js";
import { createLogger } from "../../src/app/server/logger.js";
import type { ServerOptions } from "../../src/app/server/server-options.js";
import { type RunningServer, startServer } from "../../src/app/server/start-server.js";
import { type CliResult, cli, createTextSink } from "./cli.js";

/** A server of a temporary home, with the organisation acme and its admin. */
export interface ServerFixture extends AsyncDisposable {
  readonly server: RunningServer;
  /** `LATCHKEY_HOME` of the commands. */
  readonly home: string;
  readonly dataDir: string;
  /** Environment of commands that call the server. */
  readonly env: Environment;
  /** What the server has logged so far. */
  log(): string;
  /** Runs a command against the server. */
  cli(...args: readonly string[]): Promise<CliResult>;
  /** Makes a credential and imports it. */
  addCredential(name: string, roles: string): Promise<void>;
}

/** Starts a server for tests; dispose closes it and removes its home. */
export async function openServerFixture(options: Partial<ServerOptions> = {}): Promise<ServerFixture> {
  const home = await mkdtemp(join(tmpdir(), "latchkey-server-"));
  const dataDir = join(home, "data");
  const log = createTextSink();
  const env: Record<string, string> = { ...inheritedPath(), LATCHKEY_HOME: home };
  await cli(["init", "--name", "admin", "--org", "acme", "--roles", "admin", "--principal", "root"], env);
  const { stdout: publicKeyPem } = await cli(["credentials", "show", "admin", "--public-key"], env);
  const server = await startServer({
    dataDir,
    port: 0,
    log: createLogger(log, "info"),
    firstOrg: {
      name: "acme",
      admin: async () => ({ publicKeyPem, name: "admin", principalId: "root" }),
      async recorded() {
        await cli(["credentials", "update", "admin", "--imported"], env);
      },
    },
    ...options,
  });
  env["LATCHKEY_SERVER"] = server.url;
  return {
    server,
    home,
    dataDir,
    env,
    log: () => log.text,
    cli: (...args) => cli(args, env),
    async addCredential(name, roles) {
      await succeed(["init", "--name", name, "--org", "acme", "--roles", roles, "--principal", name], env);
      await succeed(["credentials", "import", name, "--as", "admin"], env);
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function succeed(args: readonly string[], env: Environment): Promise<void> {
  const { exitCode, stderr } = await cli(args, env);
  if (exitCode !== 0) throw new Error(`latchkey ${args.join(" ")} failed: ${stderr}`);
}

function inheritedPath(): Record<string, string> {
  const path = process.env["PATH"];
  return path === undefined ? {} : { PATH: path };
}

/** A log that nobody reads. */
export function silentLog(): ReturnType<typeof createLogger> {
  return createLogger(createTextSink(), "silent");
}
