import { type JobEvent, OutputStream } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { CliContext } from "./cli-context.js";
import { toTerminalText } from "./terminal-text.js";
import { writeBytes } from "./write-bytes.js";

/** Passes what a job printed on to where it belongs: its standard output to ours, its standard error to ours. */
export async function showOutput({ event }: JobEvent, { io }: CliContext): Promise<void> {
  if (event.case !== "output") return;
  await writeBytes(event.value.stream === OutputStream.STDERR ? io.stderr : io.stdout, event.value.data);
}

/** Says on standard error what else happened to a job. */
export function noteEvent({ event }: JobEvent, context: CliContext): void {
  const { note } = context;
  if (event.case === "processStarted") note(`-- started, attempt ${event.value.attempt}, pid ${event.value.pid}`);
  if (event.case === "processEnded") note(`-- exited with code ${event.value.exitCode}`);
  if (event.case === "processFailed") note(`-- ${toTerminalText(event.value.error)}`);
}
