import { type Command, Option } from "commander";
import type { Environment } from "./cli-context.js";
import { defaultDataDirectory } from "./home.js";
import { parseLifetime, parseName, parseServerUrl } from "./option-values.js";

const LOG_LEVELS: readonly string[] = ["debug", "info", "warn", "error", "silent"];

const DEFAULTS = {
  server: "http://127.0.0.1:8090",
  audience: "latchkey",
  queue: "default",
  tokenLifetimeSeconds: 3_600,
} as const;

/** Adds the flags of a command that calls a server. */
export function addConnectionFlags(command: Command): Command {
  return command
    .addOption(new Option("--server <url>", "server to call").argParser(parseServerUrl).default(DEFAULTS.server))
    .addOption(
      new Option("--credential <name>", "credential to sign tokens with (default: the default credential)").argParser(
        parseName,
      ),
    )
    .addOption(new Option("--audience <name>", "audience that the server expects").default(DEFAULTS.audience))
    .addOption(
      new Option("--token-lifetime-seconds <n>", "lifetime of the tokens it signs")
        .argParser(parseLifetime)
        .default(DEFAULTS.tokenLifetimeSeconds),
    );
}

/** Adds the flag for a queue. */
export function addQueueFlag(command: Command, description: string): Command {
  return command.addOption(new Option("--queue <name>", description).argParser(parseName).default(DEFAULTS.queue));
}

/** Flags of every command that works on the signing keys of a server of this machine. */
export interface KeysFlags {
  readonly dataDir: string;
  readonly keysDir?: string;
}

/** Adds the flags that say where a server of this machine keeps its signing keys. */
export function addKeysFlags(command: Command, env: Environment): Command {
  return command
    .addOption(new Option("--data-dir <path>", "data directory of the server").default(defaultDataDirectory(env)))
    .addOption(new Option("--keys-dir <path>", "directory of its signing keys (default: keys in the data directory)"));
}

/** Adds the flag for how much is logged. */
export function addLogLevelFlag(command: Command): Command {
  return command.addOption(
    new Option("--log-level <level>", "how much to log on standard error").choices([...LOG_LEVELS]).default("info"),
  );
}
