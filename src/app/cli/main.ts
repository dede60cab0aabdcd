import { ConfigError } from "../../errors.js";
import { loadPart } from "../load-part.js";

/** How long what a command left open may take to close by itself. */
const LEFTOVER_GRACE_MS = 1_000;

/** Runs the command line of this process and sets its exit code. */
export async function main(): Promise<void> {
  // A reader that has seen enough, such as `head`, is no error of ours.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
  // Nor is a log that nobody reads any more one of a server or of a worker with programs under way.
  process.stderr.on("error", () => {});
  try {
    const { runCli } = await loadPart(() => import("./run-cli.js"));
    process.exitCode = await runCli(process.argv.slice(2), process.env, process);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`latchkey: ${error.message}\n`);
    process.exitCode = 1;
  }
  setTimeout(() => process.exit(), LEFTOVER_GRACE_MS).unref();
}
