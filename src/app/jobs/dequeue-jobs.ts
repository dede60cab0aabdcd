import { randomUUID } from "node:crypto";
import type { Caller } from "./caller.js";
import type { JobContext } from "./job-context.js";
import { type LeasedJob, leaseNextJob } from "./lease-next-job.js";
import { releaseJob } from "./release-job.js";

/** What a worker asks for. */
export interface DequeueRequest {
  readonly queue: string;
  /** How many leases the stream may hold at a time; 1 or more. */
  readonly maxLeases: number;
  /** How long a lease lasts unless it is extended, in milliseconds. */
  readonly leaseMs: number;
  /** How long jobs are handed out before the stream ends in order, in milliseconds; undefined: no limit. */
  readonly endAfterMs: number | undefined;
  /** Aborts when the worker is gone. */
  readonly signal: AbortSignal;
}

/**
 * Leases the jobs of a queue one after the other, as they come, and as long as the stream has a place for a lease; a
 * place becomes free when the lease ends, in whatever way.
 *
 * Ends when its time is over, for the worker to ask again, and when the service does, for it to ask another server. A
 * stream that ends from this side loses nothing: what was leased is delivered before the end or goes back. Fails with
 * the signal's reason when the worker is gone. A job that was leased and then not taken from the stream goes back at
 * once; a job that was, stays with its worker.
 */
export async function* dequeueJobs(
  context: JobContext,
  caller: Caller,
  request: DequeueRequest,
): AsyncGenerator<LeasedJob, void, undefined> {
  const { queue, maxLeases, leaseMs, endAfterMs, signal } = request;
  const streamId = randomUUID();
  const timeOver = new AbortController();
  using _timer = endAfterMs === undefined ? undefined : context.clock.setTimer(() => timeOver.abort(), endAfterMs);
  const ending = AbortSignal.any([signal, context.closing, timeOver.signal]);
  using watch = context.signals.watch([`queue ${caller.org}/${queue}`, `stream ${streamId}`]);
  let offered: LeasedJob | undefined;
  const takeBack = async (): Promise<void> => {
    const leased = offered;
    offered = undefined;
    // Should it fail, the job is back when the lease has run out.
    if (leased !== undefined) await releaseJob(context, caller, leased.lease).catch(() => {});
  };
  // A transport that has lost its peer may leave the generator where it is, so that its finally never runs.
  const onAbort = (): void => void takeBack();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    while (!ending.aborted) {
      offered = await leaseNextJob(context, caller, { queue, streamId, maxLeases, leaseMs });
      if (ending.aborted) break;
      if (offered === undefined) {
        await watch.wait({ signal: ending, timeoutMs: context.limits.pollIntervalMs });
      } else {
        yield offered;
        offered = undefined;
      }
    }
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", onAbort);
    await takeBack();
  }
}
