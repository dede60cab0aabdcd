import type { Command, Option } from "commander";
import { ConfigError } from "../../errors.js";
import type { Environment } from "./cli-context.js";

const WITHOUT_VARIABLE: ReadonlySet<string> = new Set(["--help", "--version"]);

/** Name of the environment variable that stands for a flag: `--data-dir` is `LATCHKEY_DATA_DIR`. */
export function environmentName(option: Option): string | undefined {
  if (option.long === undefined || option.long === null || WITHOUT_VARIABLE.has(option.long)) return undefined;
  return `LATCHKEY_${option.long.slice(2).toUpperCase().replaceAll("-", "_")}`;
}

/**
 * Gives every flag of a command the value that the environment has for it, and does the same for the subcommand that is
 * run, once it is chosen. A flag on the command line wins; an empty variable counts as not set. Variables for flags of
 * other commands are not looked at: two commands may have a flag of one name and of two kinds.
 *
 * commander's own `Option.env()` reads `process.env` alone and takes `LATCHKEY_JSON=0` for true.
 *
 * @throws ConfigError `ERR_CONFIG_INVALID` naming the variable.
 */
export function applyEnvironment(command: Command, env: Environment): void {
  for (const option of command.options) {
    const name = environmentName(option);
    const text = name === undefined ? undefined : env[name];
    if (name === undefined || text === undefined || text === "") continue;
    command.setOptionValueWithSource(option.attributeName(), parseValue(option, name, text), "env");
  }
  command.hook("preSubcommand", (_command, chosen) => applyEnvironment(chosen, env));
}

function parseValue(option: Option, name: string, text: string): unknown {
  if (option.isBoolean()) return parseBoolean(name, text);
  try {
    return option.parseArg === undefined ? text : option.parseArg(text, undefined);
  } catch (error) {
    const why = error instanceof Error ? error.message : "not usable";
    throw new ConfigError("ERR_CONFIG_INVALID", `${name}: ${why}`, { cause: error });
  }
}

function parseBoolean(name: string, text: string): boolean {
  if (text === "1" || text === "true") return true;
  if (text === "0" || text === "false") return false;
  throw new ConfigError("ERR_CONFIG_INVALID", `${name} must be 1, true, 0 or false`);
}
