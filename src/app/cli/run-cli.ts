import { Command, CommanderError } from "commander";
import { readManifest } from "../manifest.js";
import { type CliIo, createCliContext, type Environment } from "./cli-context.js";
import { addCredentialsCommand } from "./commands/credentials.js";
import { addDemoCommand } from "./commands/demo.js";
import { addDoctorCommand } from "./commands/doctor.js";
import { addInitCommand } from "./commands/init.js";
import { addKeysCommand } from "./commands/keys.js";
import { addListCommand } from "./commands/list.js";
import { addMonitorCommand } from "./commands/monitor.js";
import { addServerCommand } from "./commands/server.js";
import { addSubmitCommand } from "./commands/submit.js";
import { addTokenCommand } from "./commands/token.js";
import { addWorkerCommand } from "./commands/worker.js";
import { describeError } from "./describe-error.js";
import { applyEnvironment, environmentName } from "./environment.js";

const FAILED = 1;
/** The command line itself was wrong. */
const USAGE = 2;

/**
 * Runs one command line. Results go to standard output; everything else goes to standard error, errors as one line that
 * says what to do.
 *
 * @param argv - Arguments after the program's name.
 * @param env - Environment variables: each flag `--some-flag` may be given as `LATCHKEY_SOME_FLAG`.
 * @param io - Where to write, and where signals are heard; `process` fits.
 * @returns The exit code: 0, 1 for a failure, 2 for a wrong command line; of `submit --wait`, the job's.
 */
export async function runCli(argv: readonly string[], env: Environment, io: CliIo): Promise<number> {
  const context = createCliContext(env, io);
  const program = new Command("latchkey")
    .description("Bearer-token authentication for Connect RPC, and the job service that shows it.")
    .version(readManifest().version)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
    })
    .configureHelp({
      optionDescription(option) {
        const name = environmentName(option);
        const value = option.defaultValue === undefined ? "" : ` (default: ${String(option.defaultValue)})`;
        const choices = option.argChoices === undefined ? "" : ` (${option.argChoices.join(", ")})`;
        return `${option.description}${choices}${value}${name === undefined ? "" : ` [${name}]`}`;
      },
    });
  addServerCommand(program, context);
  addWorkerCommand(program, context);
  addSubmitCommand(program, context);
  addListCommand(program, context);
  addMonitorCommand(program, context);
  addInitCommand(program, context);
  addCredentialsCommand(program, context);
  addKeysCommand(program, context);
  addTokenCommand(program, context);
  addDoctorCommand(program, context);
  addDemoCommand(program, context);
  try {
    applyEnvironment(program, env);
    await program.parseAsync([...argv], { from: "user" });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    const line = describeError(error);
    context.note(`latchkey: ${line ?? "unexpected error"}`);
    // A mistake of ours: the stack is what a report needs.
    if (line === undefined) context.note(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return FAILED;
  }
}
