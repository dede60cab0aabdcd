import type { Command } from "commander";
import type { CliContext } from "../cli-context.js";
import { runDemo } from "../demo/run-demo.js";

/** Adds `latchkey demo`. */
export function addDemoCommand(program: Command, context: CliContext): void {
  program
    .command("demo")
    .description("take a tour: a real server, worker and jobs in a temporary directory")
    .action(() => context.run(() => runDemo(context)));
}
