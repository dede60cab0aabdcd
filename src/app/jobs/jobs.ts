import type { EnqueueJobRequest, Job, JobResult, Lease, ListJobsRequest } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { type Clock, systemClock } from "../../lib/clock.js";
import { assertPositive, assertPositiveInteger } from "../../lib/options.js";
import type { Database } from "../database/database.js";
import { migrate } from "../database/migrations.js";
import type { Caller } from "./caller.js";
import { cancelJob } from "./cancel-job.js";
import { completeJob } from "./complete-job.js";
import { dequeueJobs } from "./dequeue-jobs.js";
import { enqueueJob } from "./enqueue-job.js";
import { type ExtendedLease, extendLease } from "./extend-lease.js";
import { followJob, type JobNews } from "./follow-job.js";
import { getJob } from "./get-job.js";
import type { JobContext, JobLimits } from "./job-context.js";
import { jobMigrations } from "./job-schema.js";
import { createJobSignals } from "./job-signals.js";
import type { LeasedJob } from "./lease-next-job.js";
import { type JobPage, listJobs } from "./list-jobs.js";
import { loadPageTokenKey } from "./page-token.js";
import { type EventBatch, publishEvents } from "./publish-events.js";
import { releaseJob } from "./release-job.js";
import { requeueExpiredJobs } from "./requeue-expired-jobs.js";
import { createTickets } from "./tickets.js";

/** Options of {@link createJobs}. */
export interface JobsOptions {
  /** Where the jobs are kept; the caller closes it, after the jobs. */
  readonly database: Database;
  /** Bounds; those not given have their defaults. */
  readonly limits?: Partial<JobLimits>;
  /** Told of failures in the background; they are tried again. */
  readonly onError?: (error: unknown) => void;
  /** Time, for the intervals; whether a lease has run out is for the clock of the database to say. */
  readonly clock?: Clock;
}

/**
 * The jobs of all organisations. Every operation is bound to the caller's own: a job of another one is answered like
 * one that does not exist. Operations reject with `JobError`, or `DatabaseUnavailableError`.
 */
export interface Jobs extends AsyncDisposable {
  /** Stores a job and queues it; once answered, it survives a crash. */
  enqueue(caller: Caller, request: EnqueueJobRequest): Promise<Job>;
  /**
   * Leases jobs of a queue as they come; `maxLeases` is 1 and `leaseMs` the default when absent. Ends in order after
   * `endAfterMs`, if given.
   */
  dequeue(
    caller: Caller,
    options: {
      readonly queue: string;
      readonly maxLeases?: number;
      readonly leaseMs?: number;
      readonly endAfterMs?: number;
      readonly signal: AbortSignal;
    },
  ): AsyncGenerator<LeasedJob, void, undefined>;
  /** Extends a lease, counted from now, or says that the job was cancelled. */
  extend(caller: Caller, lease: Lease, leaseMs?: number): Promise<ExtendedLease>;
  /** Gives a leased job back at once; the attempt is not counted. */
  release(caller: Caller, lease: Lease): Promise<Job>;
  /** Records the result of a leased job; the same call again gives the same job. */
  complete(caller: Caller, lease: Lease, result: Pick<JobResult, "exitCode" | "error">): Promise<Job>;
  /** Cancels a job of the caller's own, or, as an admin, any. */
  cancel(caller: Caller, jobId: string): Promise<Job>;
  /** Reads a job. */
  get(caller: Caller, jobId: string): Promise<Job>;
  /** Lists jobs, newest first. */
  list(caller: Caller, request: Pick<ListJobsRequest, "queue" | "state" | "pageSize" | "pageToken">): Promise<JobPage>;
  /** Appends events to a leased job; gives the sequence number of the last. */
  publish(caller: Caller, lease: Lease, batch: EventBatch): Promise<bigint>;
  /** Gives the events of a job, and those to come, until it has ended. */
  follow(
    caller: Caller,
    jobId: string,
    options: { readonly afterSequence: bigint; readonly signal: AbortSignal },
  ): AsyncGenerator<JobNews, void, undefined>;
  /** Takes back jobs whose lease has run out; done every `sweepIntervalMs` anyway. Gives how many there were. */
  requeueExpired(): Promise<number>;
  /** Ends every stream, for a server that shuts down; other operations go on. */
  drain(): void;
}

const DEFAULTS = {
  leaseMs: 30 * 1000,
  maxAttempts: 3,
  firstRetryDelayMs: 1000,
  longestRetryDelayMs: 60 * 1000,
  sweepIntervalMs: 1000,
  pollIntervalMs: 2000,
  maxJobBytes: 1024 * 1024,
  maxEvents: 100_000,
  maxEventBytes: 64 * 1024 * 1024,
} as const satisfies JobLimits;

/**
 * Opens the jobs in a database: makes or updates their tables, starts pg-boss, and begins to look for leases that have
 * run out. Dispose it before the database is closed.
 *
 * Rejects with `ConfigError` when the tables are newer than this release, and with RangeError for a bad limit.
 */
export async function createJobs(options: JobsOptions): Promise<Jobs> {
  const { database, onError = () => {}, clock = systemClock } = options;
  const limits: JobLimits = { ...DEFAULTS, ...options.limits };
  for (const [field, value] of Object.entries(limits)) assertPositive(`limits.${field}`, value);
  assertPositiveInteger("limits.maxAttempts", limits.maxAttempts);

  await migrate(database, jobMigrations);
  const pageTokenKey = await loadPageTokenKey(database);
  const tickets = await createTickets(database, onError);
  const signals = await createJobSignals(database, clock).catch(async (error: unknown) => {
    await tickets.close();
    throw error;
  });
  const closing = new AbortController();
  const context: JobContext = { database, tickets, signals, limits, clock, pageTokenKey, closing: closing.signal };

  let sweep: Promise<unknown> = Promise.resolve();
  let timer: Disposable | undefined;
  const scheduleSweep = (): void => {
    timer = clock.setTimer(() => {
      sweep = requeueExpiredJobs(context)
        .catch(onError)
        .then(() => {
          if (!closing.signal.aborted) scheduleSweep();
        });
    }, limits.sweepIntervalMs);
  };
  scheduleSweep();

  return {
    enqueue: (caller, request) => enqueueJob(context, caller, request),
    dequeue: (caller, { queue, maxLeases = 1, leaseMs = limits.leaseMs, endAfterMs, signal }) =>
      dequeueJobs(context, caller, { queue, maxLeases, leaseMs, endAfterMs, signal }),
    extend: (caller, lease, leaseMs = limits.leaseMs) => extendLease(context, caller, lease, leaseMs),
    release: (caller, lease) => releaseJob(context, caller, lease),
    complete: (caller, lease, result) => completeJob(context, caller, lease, result),
    cancel: (caller, jobId) => cancelJob(context, caller, jobId),
    get: (caller, jobId) => getJob(context, caller, jobId),
    list: (caller, request) => listJobs(context, caller, request),
    publish: (caller, lease, batch) => publishEvents(context, caller, lease, batch),
    follow: (caller, jobId, followOptions) => followJob(context, caller, jobId, followOptions),
    requeueExpired: () => requeueExpiredJobs(context),
    drain: () => closing.abort(),
    async [Symbol.asyncDispose]() {
      closing.abort();
      timer?.[Symbol.dispose]();
      await sweep;
      await signals[Symbol.asyncDispose]();
      await tickets.close();
    },
  };
}
