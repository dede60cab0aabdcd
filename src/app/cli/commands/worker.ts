import { type Command, Option } from "commander";
import { loadPart } from "../../load-part.js";
import type { CliContext } from "../cli-context.js";
import { type ConnectionFlags, openConnection } from "../connection.js";
import { explainingFailures } from "../describe-error.js";
import { addConnectionFlags, addLogLevelFlag, addQueueFlag } from "../flags.js";
import { parsePositiveCount, parseSeconds } from "../option-values.js";
import { createShutdown } from "../shutdown.js";
import { runWorker } from "../worker/worker.js";

interface WorkerFlags extends ConnectionFlags {
  readonly queue: string;
  readonly concurrency: number;
  readonly leaseSeconds: number;
  readonly stopGraceSeconds: number;
  readonly logLevel: string;
}

const DEFAULTS = { concurrency: 1, leaseSeconds: 30, stopGraceSeconds: 10 } as const;
/** Exit code after a second SIGTERM, as shells have it. */
const TERMINATED = 143;

/** Adds `latchkey worker`. */
export function addWorkerCommand(program: Command, context: CliContext): void {
  const command = program.command("worker").description("lease jobs of a queue and execute them, until told to stop");
  addQueueFlag(addConnectionFlags(command), "queue to take jobs from")
    .addOption(
      new Option("--concurrency <n>", "how many jobs to run at a time")
        .argParser(parsePositiveCount)
        .default(DEFAULTS.concurrency),
    )
    .addOption(
      new Option("--lease-seconds <n>", "how long a job stays with this worker after it was last heard of")
        .argParser(parseSeconds)
        .default(DEFAULTS.leaseSeconds),
    )
    .addOption(
      new Option("--stop-grace-seconds <n>", "how long jobs may go on after SIGTERM before they are given back")
        .argParser(parseSeconds)
        .default(DEFAULTS.stopGraceSeconds),
    );
  addLogLevelFlag(command).action((flags: WorkerFlags) => context.run(() => work(flags, context)));
}

async function work(flags: WorkerFlags, context: CliContext): Promise<number> {
  const { createLogger } = await loadPart(() => import("../../server/logger.js"));
  using connection = await openConnection(flags, context);
  using shutdown = createShutdown(context.io);
  const { jobs, events, orgId, streamLifetimeMs } = connection;
  const { queue, concurrency } = flags;
  const log = createLogger(context.io.stderr, flags.logLevel);
  return await explainingFailures(connection, async () => {
    // An idle stream answers nothing: whether there is a server, and whether it accepts us, shows here.
    await jobs.listJobs({ orgId, queue, pageSize: 1 });
    context.print(`worker of ${orgId}: taking jobs from queue ${queue} at ${connection.server}`);
    await runWorker({
      jobs,
      events,
      orgId,
      queue,
      concurrency,
      leaseMs: flags.leaseSeconds * 1_000,
      stopGraceMs: flags.stopGraceSeconds * 1_000,
      environment: context.env,
      streamLifetimeMs,
      stop: shutdown.orderly,
      kill: shutdown.forced,
      log,
    });
    return shutdown.forced.aborted ? TERMINATED : 0;
  });
}
