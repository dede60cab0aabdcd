import { toJsonString } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Command, Option } from "commander";
import { type Job, JobSchema } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { CliContext } from "../cli-context.js";
import { type Connection, type ConnectionFlags, openConnection } from "../connection.js";
import { explainingFailures } from "../describe-error.js";
import { addConnectionFlags, addQueueFlag } from "../flags.js";
import { followJob } from "../follow-job.js";
import { formatEnding } from "../job-text.js";
import { collectPair, parseCount, parseSeconds } from "../option-values.js";
import { showOutput } from "../show-event.js";
import { createShutdown } from "../shutdown.js";

interface SubmitFlags extends ConnectionFlags {
  readonly queue: string;
  readonly env?: ReadonlyMap<string, string>;
  readonly metadata?: ReadonlyMap<string, string>;
  readonly workingDirectory?: string;
  readonly timeoutSeconds?: number;
  readonly maxAttempts?: number;
  readonly idempotencyKey?: string;
  readonly wait?: boolean;
  readonly json?: boolean;
}

/** Exit code of `--wait` for a job that has none: its program did not exit by itself. */
const NO_EXIT_CODE = 1;
/** Exit code after SIGINT, as shells have it. */
const INTERRUPTED = 130;

/** Adds `latchkey submit`. */
export function addSubmitCommand(program: Command, context: CliContext): void {
  const command = program
    .command("submit")
    .description("hand in a command to be executed by a worker")
    .argument("<command>", "program to execute")
    .argument("[args...]", "its arguments")
    .usage("[options] -- COMMAND [ARGS...]")
    .passThroughOptions();
  addQueueFlag(addConnectionFlags(command), "queue to put the job into")
    .addOption(
      new Option("--env <key=value>", "environment variable of the program; may be repeated").argParser(collectPair),
    )
    .addOption(new Option("--metadata <key=value>", "label of the job; may be repeated").argParser(collectPair))
    .option("--working-directory <path>", "directory to start in, on the worker")
    .addOption(new Option("--timeout-seconds <n>", "longest duration of one execution").argParser(parseSeconds))
    .addOption(
      new Option("--max-attempts <n>", "how often execution is tried when workers are lost").argParser(parseCount),
    )
    .option("--idempotency-key <text>", "submitting again with the same key gives the first job")
    .option("--wait", "show the output and exit with the exit code of the job")
    .option("--json", "print the job as JSON")
    .action((program: string, args: readonly string[], flags: SubmitFlags) =>
      context.run(() => submit({ program, args }, flags, context)),
    );
}

async function submit(
  { program, args }: { readonly program: string; readonly args: readonly string[] },
  flags: SubmitFlags,
  context: CliContext,
): Promise<number> {
  using connection = await openConnection(flags, context);
  return await explainingFailures(connection, async () => {
    const job = await enqueue({ program, args }, flags, connection);
    if (flags.wait === true) return waitFor(job, connection, context);
    context.print(flags.json === true ? toJsonString(JobSchema, job) : job.id);
    return 0;
  });
}

async function enqueue(
  { program, args }: { readonly program: string; readonly args: readonly string[] },
  flags: SubmitFlags,
  { jobs, orgId }: Connection,
): Promise<Job> {
  const { job } = await jobs.enqueueJob({
    orgId,
    queue: flags.queue,
    command: program,
    args: [...args],
    environment: Object.fromEntries(flags.env ?? []),
    metadata: Object.fromEntries(flags.metadata ?? []),
    workingDirectory: flags.workingDirectory ?? "",
    maxAttempts: flags.maxAttempts ?? 0,
    idempotencyKey: flags.idempotencyKey ?? "",
    ...(flags.timeoutSeconds === undefined ? {} : { timeout: durationFromMs(flags.timeoutSeconds * 1_000) }),
  });
  if (job === undefined) throw new Error("the server answered without a job");
  return job;
}

async function waitFor({ id }: Job, connection: Connection, context: CliContext): Promise<number> {
  using shutdown = createShutdown(context.io);
  const signal = shutdown.orderly;
  try {
    const onEvent = (event: Parameters<typeof showOutput>[0]): Promise<void> => showOutput(event, context);
    const ended = await followJob({ connection, jobId: id, afterSequence: 0n, onEvent, signal });
    const exitCode = ended.result?.exitCode;
    if (exitCode === undefined) context.note(`job ${id} ${formatEnding(ended)}`);
    return exitCode ?? NO_EXIT_CODE;
  } catch (error) {
    if (!signal.aborted) throw error;
    context.note(`job ${id} goes on; follow it with: latchkey monitor ${id}`);
    return INTERRUPTED;
  }
}
