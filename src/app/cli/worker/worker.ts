import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { DequeueJobsResponse, JobEventService, JobService } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { backoffMs, delay } from "../delay.js";
import { isTokenExpired, isTransient } from "../error-info.js";
import { executeJob } from "./execute-job.js";
import type { WorkerLog } from "./worker-log.js";

/** Options of {@link runWorker}. */
export interface WorkerOptions {
  readonly jobs: Client<typeof JobService>;
  readonly events: Client<typeof JobEventService>;
  readonly orgId: string;
  readonly queue: string;
  /** How many jobs run at a time. */
  readonly concurrency: number;
  /** How long a lease lasts unless extended. */
  readonly leaseMs: number;
  /** How long jobs may go on after `stop`, before they are given back. */
  readonly stopGraceMs: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** How long a stream opened now may stay open, given the token it will carry, in milliseconds. */
  readonly streamLifetimeMs: () => Promise<number>;
  /** Takes no further jobs, lets those under way end within the grace, and gives back the rest. */
  readonly stop: AbortSignal;
  /** Kills the programs under way and gives their jobs back. */
  readonly kill: AbortSignal;
  readonly log: WorkerLog;
}

const DEFAULTS = {
  /** A stream that ends sooner did not end of age. */
  shortStreamMs: 1_000,
  maxShortStreams: 3,
} satisfies Record<string, number>;

/**
 * Leases and executes the jobs of a queue until it is told to stop.
 *
 * Rejects when the server refuses this worker for a reason that waiting does not change, after jobs under way were
 * ended. While the server is away it tries again, up to 10 s apart.
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { orgId, queue, concurrency, stop, kill, log } = options;
  const release = new AbortController();
  const failed = new AbortController();
  const running = new Set<Promise<void>>();
  let jobEnded = Promise.withResolvers<void>();
  const start = (delivery: DequeueJobsResponse): void => {
    const { job, lease } = delivery;
    if (job === undefined || lease === undefined) return;
    log.info({ job: job.id, attempt: lease.attempt, command: job.command }, "job started");
    const execution = executeJob({ ...options, job, lease, release: release.signal, kill }).then(
      () => {},
      (error: unknown) => failed.abort(error),
    );
    const tracked = execution.finally(() => {
      running.delete(tracked);
      jobEnded.resolve();
      jobEnded = Promise.withResolvers();
    });
    running.add(tracked);
  };
  const over = AbortSignal.any([stop, failed.signal]);
  const overOrJobEnded = (): Promise<void> => {
    const waiting = new AbortController();
    const ended = new Promise<void>((resolve) => {
      if (over.aborted) resolve();
      else over.addEventListener("abort", () => resolve(), { once: true, signal: waiting.signal });
    });
    return Promise.race([jobEnded.promise, ended]).finally(() => waiting.abort());
  };
  let failures = 0;
  while (!over.aborted) {
    const earlier = new Set(running);
    if (earlier.size >= concurrency) {
      await overOrJobEnded();
      continue;
    }
    const stream = new AbortController();
    const openedAtMs = performance.now();
    const signal = AbortSignal.any([over, stream.signal]);
    // The server counts the leases of one stream. Jobs of the streams before this one take slots it does not know of,
    // so it is opened with fewer; when one of them ends, a new stream makes use of the slot.
    for (const job of earlier) job.then(() => stream.abort());
    let lifetime: ReturnType<typeof setTimeout> | undefined;
    try {
      // Should the server, by its clock, not have ended it by then.
      lifetime = setTimeout(() => stream.abort(), await options.streamLifetimeMs());
      const maxLeases = concurrency - earlier.size;
      const request = { orgId, queue, maxLeases, leaseDuration: durationFromMs(options.leaseMs) };
      for await (const delivery of options.jobs.dequeueJobs(request, { signal })) {
        failures = 0;
        start(delivery);
      }
      // The server ends a stream in order, with nothing on its way, before the token expires. One that ends at once,
      // each time, must not make us ask without a pause.
      if (performance.now() - openedAtMs < DEFAULTS.shortStreamMs) await delay(backoffMs(1), over);
    } catch (error) {
      if (signal.aborted) continue;
      const expired = isTokenExpired(error);
      if (expired && performance.now() - openedAtMs >= DEFAULTS.shortStreamMs) continue;
      // A token that is refused as expired again and again as soon as it is used: one of the clocks is wrong.
      if (!isTransient(error) && !(expired && failures < DEFAULTS.maxShortStreams)) failed.abort(error);
      log.warn({ code: Code[ConnectError.from(error).code], failures: ++failures }, "no stream of jobs");
      await delay(backoffMs(failures), over);
    } finally {
      clearTimeout(lifetime);
    }
  }
  await endJobs();
  if (failed.signal.aborted) throw failed.signal.reason;

  async function endJobs(): Promise<void> {
    if (running.size > 0 && !failed.signal.aborted) {
      log.info({ jobs: running.size }, "stopping: waiting for the jobs under way");
      const all = Promise.all(running);
      const waiting = new AbortController();
      await Promise.race([all, delay(options.stopGraceMs, AbortSignal.any([waiting.signal, kill]))]);
      waiting.abort();
    }
    release.abort();
    await Promise.all(running);
  }
}
