import { toJsonString } from "@bufbuild/protobuf";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type JobEvent, JobEventSchema, JobSchema } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { CliContext } from "../cli-context.js";
import { type ConnectionFlags, openConnection } from "../connection.js";
import { explainingFailures } from "../describe-error.js";
import { addConnectionFlags } from "../flags.js";
import { followJob } from "../follow-job.js";
import { formatEnding } from "../job-text.js";
import { parseCount } from "../option-values.js";
import { noteEvent, showOutput } from "../show-event.js";
import { createShutdown } from "../shutdown.js";

interface MonitorFlags extends ConnectionFlags {
  readonly afterSequence: number;
  readonly json?: boolean;
}

/** Exit code after SIGINT, as shells have it. */
const INTERRUPTED = 130;

/** Adds `latchkey monitor`. */
export function addMonitorCommand(program: Command, context: CliContext): void {
  const command = program
    .command("monitor")
    .description("follow a job: what has happened to it, and what happens until it ends")
    .argument("<job>", "id of the job", parseJobId);
  addConnectionFlags(command)
    .addOption(
      new Option("--after-sequence <n>", "leave out the events up to this sequence number")
        .argParser(parseCount)
        .default(0),
    )
    .option("--json", "print one JSON object per line: each event, and the job at the end")
    .action((jobId: string, flags: MonitorFlags) => context.run(() => monitor(jobId, flags, context)));
}

async function monitor(jobId: string, flags: MonitorFlags, context: CliContext): Promise<number> {
  using connection = await openConnection(flags, context);
  using shutdown = createShutdown(context.io);
  const signal = shutdown.orderly;
  const json = flags.json === true;
  const onEvent = async (event: JobEvent): Promise<void> => {
    if (json) return context.print(toJsonString(JobEventSchema, event));
    noteEvent(event, context);
    await showOutput(event, context);
  };
  return await explainingFailures(connection, async () => {
    try {
      const afterSequence = BigInt(flags.afterSequence);
      const job = await followJob({ connection, jobId, afterSequence, onEvent, signal });
      if (json) context.print(toJsonString(JobSchema, job));
      else context.note(`-- ${formatEnding(job)}`);
      return 0;
    } catch (error) {
      if (signal.aborted) return INTERRUPTED;
      throw error;
    }
  });
}

function parseJobId(text: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new InvalidArgumentError("It must be the id of a job, as `latchkey list` shows it.");
  }
  return text.toLowerCase();
}
