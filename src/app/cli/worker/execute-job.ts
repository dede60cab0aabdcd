import { durationMs } from "@bufbuild/protobuf/wkt";
import { type Client, ConnectError } from "@connectrpc/connect";
import type { Job, JobEventService, JobService, Lease } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { backoffMs, delay } from "../delay.js";
import { isLeaseLost, isTransient } from "../error-info.js";
import { createEventPublisher, type EventPublisher } from "./event-publisher.js";
import { keepLease, type LeaseEnd } from "./lease-keeper.js";
import { type CommandOutcome, type RunningCommand, startCommand } from "./running-command.js";
import type { WorkerLog } from "./worker-log.js";

/** What became of a leased job. */
export type JobEnding = "completed" | "released" | "cancelled" | "lost";

/** Options of {@link executeJob}. */
export interface ExecuteJobOptions {
  readonly jobs: Client<typeof JobService>;
  readonly events: Client<typeof JobEventService>;
  readonly job: Job;
  readonly lease: Lease;
  readonly leaseMs: number;
  /** Environment of the worker, which the job's is added to. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** How long a stream opened now may stay open, in milliseconds. */
  readonly streamLifetimeMs: () => Promise<number>;
  /** Stops the program and gives the job back. */
  readonly release: AbortSignal;
  /** The same without grace for the program. */
  readonly kill: AbortSignal;
  readonly log: WorkerLog;
}

const WORKER_STOPS = "the worker stops";

const DEFAULTS = {
  /** A call that hangs must leave time for another one before the lease ends. */
  callTimeoutMs: 5_000,
  /** How often followers are told that a silent program still runs. */
  heartbeatMs: 30_000,
} satisfies Record<string, number>;

/**
 * Executes one leased job: starts its program, publishes what it does, keeps the lease, and reports the result.
 *
 * The program never outlives the lease. Rejects when the server refuses this worker for a reason that will not pass,
 * such as a revoked credential; the program has ended then.
 */
export async function executeJob(options: ExecuteJobOptions): Promise<JobEnding> {
  const { jobs, events, job, lease, leaseMs, log, release, kill } = options;
  const leaseEnded = new AbortController();
  let end: LeaseEnd | undefined;
  const endLease = (why: LeaseEnd): void => {
    end ??= why;
    leaseEnded.abort();
  };
  const keeper = new AbortController();
  const keeping = keepLease({ client: jobs, lease, leaseMs, signal: keeper.signal }).then((why) => {
    if (why !== undefined) endLease(why);
  });
  const publisher = createEventPublisher({
    client: events,
    orgId: job.orgId,
    lease,
    streamLifetimeMs: options.streamLifetimeMs,
    onRefused(error) {
      if (isLeaseLost(error)) endLease({ why: "lost" });
      // The job goes on without events; a refusal of the worker itself is met by the keeper too.
      else log.warn({ job: job.id, code: ConnectError.from(error).code }, "events refused, dropping them");
    },
    signal: leaseEnded.signal,
  });
  try {
    const command = startCommand(toSpec(job, options.environment), publisher.publishOutput);
    const outcome = await observe(command, publisher, { job, leaseEnded: leaseEnded.signal, release, kill });
    const released = "error" in outcome && outcome.error === WORKER_STOPS;
    await publisher.publish(
      "exitCode" in outcome
        ? { case: "processEnded", value: { exitCode: outcome.exitCode } }
        : { case: "processFailed", value: { error: outcome.error } },
    );
    // Killed for good: the job is given back at once, its last events are not waited for.
    if (!kill.aborted) await publisher.close();
    const call = released
      ? (signal: AbortSignal) => jobs.releaseJob({ lease }, { signal, timeoutMs: DEFAULTS.callTimeoutMs })
      : (signal: AbortSignal) =>
          jobs.completeJob({ lease, result: toResult(outcome) }, { signal, timeoutMs: DEFAULTS.callTimeoutMs });
    if (end === undefined) await untilAnswered(call, { leaseEnded: leaseEnded.signal, kill, endLease });
    const ending = toEnding(end, released);
    log.info({ job: job.id, attempt: lease.attempt, ending, ...outcome }, "job ended");
    return ending;
  } finally {
    keeper.abort();
    leaseEnded.abort();
    await keeping;
  }
}

function toResult(outcome: CommandOutcome): { readonly exitCode: number } | { readonly error: string } {
  return "exitCode" in outcome ? { exitCode: outcome.exitCode } : { error: outcome.error };
}

function toEnding(end: LeaseEnd | undefined, released: boolean): JobEnding {
  if (end === undefined) return released ? "released" : "completed";
  if (end.why === "failed") throw end.error;
  return end.why;
}

function toSpec(job: Job, environment: ExecuteJobOptions["environment"]): Parameters<typeof startCommand>[0] {
  return {
    command: job.command,
    args: job.args,
    // Execution is at least once: the two names let a program tell a repeated execution from a new job.
    environment: {
      ...environment,
      ...job.environment,
      LATCHKEY_JOB_ID: job.id,
      LATCHKEY_JOB_ATTEMPT: String(job.attempt),
    },
    workingDirectory: job.workingDirectory === "" ? undefined : job.workingDirectory,
    timeoutMs: job.timeout === undefined ? undefined : durationMs(job.timeout),
  };
}

async function observe(
  command: RunningCommand,
  publisher: EventPublisher,
  context: {
    readonly job: Job;
    readonly leaseEnded: AbortSignal;
    readonly release: AbortSignal;
    readonly kill: AbortSignal;
  },
): Promise<CommandOutcome> {
  const { job, leaseEnded, release, kill } = context;
  const listening = new AbortController();
  const when = (signal: AbortSignal, action: () => void): void => {
    if (signal.aborted) action();
    else signal.addEventListener("abort", action, { once: true, signal: listening.signal });
  };
  when(leaseEnded, () => command.stop("the lease ended"));
  when(release, () => command.stop(WORKER_STOPS));
  when(kill, () => command.kill(WORKER_STOPS));
  const heartbeat = setInterval(() => {
    publisher.publish({ case: "heartbeat", value: {} }).catch(() => {});
  }, DEFAULTS.heartbeatMs);
  try {
    if (command.pid !== undefined) {
      await publisher.publish({ case: "processStarted", value: { attempt: job.attempt, pid: command.pid } });
    }
    return await command.outcome;
  } finally {
    clearInterval(heartbeat);
    listening.abort();
  }
}

/** Repeats a call that may be repeated until the server answers it or the lease has ended. */
async function untilAnswered(
  call: (signal: AbortSignal) => Promise<unknown>,
  context: {
    readonly leaseEnded: AbortSignal;
    readonly kill: AbortSignal;
    readonly endLease: (end: LeaseEnd) => void;
  },
): Promise<void> {
  const { leaseEnded, kill, endLease } = context;
  for (let failures = 1; !leaseEnded.aborted; failures++) {
    try {
      await call(leaseEnded);
      return;
    } catch (error) {
      if (leaseEnded.aborted) return;
      if (isLeaseLost(error)) return endLease({ why: "lost" });
      if (!isTransient(error) || kill.aborted) throw error;
      await delay(backoffMs(failures), leaseEnded);
    }
  }
}
