import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { ConfigError } from "../../../errors.js";
import { readPrivateFile } from "../../../keys/node-private-file.js";
import { aborted } from "../../../lib/aborted.js";
import type { TrustedIssuer } from "../../../verify/trusted-issuer.js";
import { loadPart } from "../../load-part.js";
import type { FirstOrg, ServerOptions } from "../../server/server-options.js";
import type { CliContext } from "../cli-context.js";
import { addLogLevelFlag } from "../flags.js";
import { defaultDataDirectory, openCredentials } from "../home.js";
import { parseLifetime, parseName, parsePort, parsePositiveCount, parseServerUrl } from "../option-values.js";
import { createShutdown } from "../shutdown.js";

interface ServerFlags {
  readonly host?: string;
  readonly port?: number;
  readonly dataDir?: string;
  readonly databaseUrl?: string;
  readonly keysDir?: string;
  readonly initOrg?: string;
  readonly audience?: string;
  readonly publicUrl?: string;
  readonly trust?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly redisUrl?: string;
  readonly snapshotSecretFile?: string;
  readonly jwksMaxAgeSeconds?: number;
  readonly jwksMinTtlSeconds?: number;
  readonly keyGraceSeconds?: number;
  readonly tokenLifetimeSeconds?: number;
  readonly streamRecheckSeconds?: number;
  readonly logLevel: string;
}

/** Exit code after a second SIGTERM, as shells have it. */
const TERMINATED = 143;

/** Adds `latchkey server`. */
export function addServerCommand(program: Command, context: CliContext): void {
  const command = program
    .command("server")
    .description("serve the job service until told to stop")
    .option("--host <address>", "address to listen on; without TLS a loopback one (default: 127.0.0.1)")
    .addOption(new Option("--port <n>", "port to listen on; 0: any free one (default: 8090)").argParser(parsePort))
    .option("--data-dir <path>", "directory of the embedded database (default: data in the home directory of latchkey)")
    .option("--database-url <url>", "PostgreSQL server to use instead, postgres://...")
    .option("--keys-dir <path>", "directory of the signing keys (default: keys in the data directory)")
    .addOption(
      new Option(
        "--init-org <name>",
        "in a fresh service, make this organisation and import the default credential as its admin",
      ).argParser(parseName),
    )
    .option("--audience <name>", "audience that tokens must name (default: latchkey)")
    .addOption(new Option("--public-url <url>", "URL that clients reach the server by").argParser(parseServerUrl))
    .option("--trust <path>", "YAML file of further issuers whose tokens are accepted")
    .option("--tls-cert <path>", "certificate chain, PEM: serve HTTP/2 and HTTP/1.1 over TLS")
    .option("--tls-key <path>", "private key of the certificate, PEM")
    .option("--redis-url <url>", "Redis server that keeps key sets of other issuers over a restart, redis[s]://...")
    .option("--snapshot-secret-file <path>", "secret that authenticates what is kept there, of 32 bytes or more");
  addSecondsFlag(command, "--jwks-max-age-seconds <n>", "max-age of the published keys (default: 300)");
  addSecondsFlag(command, "--jwks-min-ttl-seconds <n>", "shortest time the server trusts fetched keys (default: 30)");
  addSecondsFlag(command, "--key-grace-seconds <n>", "how long a new key is published before it signs (default: 600)");
  addSecondsFlag(
    command,
    "--stream-recheck-seconds <n>",
    "how long streams outlive a revoked credential (default: 30)",
  );
  command.addOption(
    new Option("--token-lifetime-seconds <n>", "longest life of a token the server issues (default: 3600)").argParser(
      parseLifetime,
    ),
  );
  addLogLevelFlag(command).action((flags: ServerFlags) => context.run(() => serve(flags, context)));
}

function addSecondsFlag(command: Command, flags: string, description: string): void {
  command.addOption(new Option(flags, description).argParser(parsePositiveCount));
}

async function serve(flags: ServerFlags, context: CliContext): Promise<number> {
  const { startServer } = await loadPart(() => import("../../server/start-server.js"));
  const { createLogger } = await loadPart(() => import("../../server/logger.js"));
  using shutdown = createShutdown(context.io);
  const { logLevel, initOrg, tlsCert, tlsKey, trust, redisUrl, snapshotSecretFile, ...rest } = flags;
  const firstOrg = initOrg === undefined ? undefined : toFirstOrg(initOrg, context);
  const options: ServerOptions = {
    ...rest,
    ...(rest.databaseUrl === undefined && { dataDir: rest.dataDir ?? defaultDataDirectory(context.env) }),
    ...(await readTls(tlsCert, tlsKey)),
    ...(trust !== undefined && { trustedIssuers: await readTrust(trust) }),
    ...(await readSnapshots(redisUrl, snapshotSecretFile)),
    ...(firstOrg !== undefined && { firstOrg }),
    log: createLogger(context.io.stderr, logLevel),
  };
  const server = await startServer(options);
  context.print(`serving at ${server.url}`);
  await aborted(shutdown.orderly);
  return Promise.race([server.close().then(() => 0), aborted(shutdown.forced).then(() => TERMINATED)]);
}

/** The default credential becomes the admin, made first when there is none. */
function toFirstOrg(name: string, context: CliContext): FirstOrg {
  const store = openCredentials(context.env);
  return {
    name,
    async admin() {
      let credentialName = await store.defaultName();
      if (credentialName === undefined) {
        credentialName = (await store.create({ name: "admin", orgId: name, roles: ["admin"] })).name;
        await store.setDefault(credentialName);
      }
      const { principalId } = await store.get(credentialName);
      const publicKeyPem = await store.publicKeyPem(credentialName);
      return { publicKeyPem, name: credentialName, principalId };
    },
    async recorded(credentialName) {
      await store.update(credentialName, { orgId: name, roles: ["admin"], imported: true });
      context.note(`organisation ${name} was made; credential ${credentialName} is its admin`);
    },
  };
}

async function readTls(certPath: string | undefined, keyPath: string | undefined): Promise<Pick<ServerOptions, "tls">> {
  if (certPath === undefined && keyPath === undefined) return {};
  if (certPath === undefined || keyPath === undefined) {
    throw new ConfigError("ERR_CONFIG_INVALID", "TLS needs both --tls-cert and --tls-key");
  }
  return { tls: { cert: await readText(certPath), key: await readText(keyPath) } };
}

async function readSnapshots(
  redisUrl: string | undefined,
  secretPath: string | undefined,
): Promise<Pick<ServerOptions, "snapshots">> {
  if (redisUrl === undefined && secretPath === undefined) return {};
  if (redisUrl === undefined || secretPath === undefined) {
    throw new ConfigError("ERR_CONFIG_INVALID", "keeping key sets needs both --redis-url and --snapshot-secret-file");
  }
  const lines = (await readPrivateFile(secretPath)).split("\n").map((line) => line.trim());
  return { snapshots: { redisUrl, secrets: lines.filter((line) => line !== "") } };
}

async function readTrust(path: string): Promise<readonly TrustedIssuer[]> {
  const { parseTrustFile } = await loadPart(() => import("../../../config/trust-file.js"));
  return parseTrustFile(await readText(path), path);
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new ConfigError("ERR_CONFIG_UNREADABLE", `cannot read ${path}`, { cause });
  }
}
