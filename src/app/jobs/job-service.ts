import { create } from "@bufbuild/protobuf";
import { type Duration, durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  CancelJobResponseSchema,
  CompleteJobResponseSchema,
  DequeueJobsResponseSchema,
  EnqueueJobResponseSchema,
  ExtendLeaseResponseSchema,
  GetJobResponseSchema,
  type JobService,
  type Lease,
  ListJobsResponseSchema,
  ReleaseJobResponseSchema,
} from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { systemClock } from "../../lib/clock.js";
import { requirePrincipal } from "../../server/principal-key.js";
import type { Principal } from "../../token/principal.js";
import { requireCaller } from "./caller.js";
import { JobError, toJobConnectError } from "./job-errors.js";
import type { Jobs } from "./jobs.js";

/**
 * Creates the methods of `JobService`. They take the organisation from the verified caller, never from the request: that
 * the two are equal is for the policy to enforce.
 */
export function createJobService(jobs: Jobs): ServiceImpl<typeof JobService> {
  return {
    enqueueJob: (request, context) =>
      answer(async () => {
        const job = await jobs.enqueue(requireCaller(context), request);
        return create(EnqueueJobResponseSchema, { job });
      }),
    async *dequeueJobs({ queue, maxLeases, leaseDuration }, context) {
      try {
        const leased = jobs.dequeue(requireCaller(context), {
          queue,
          signal: context.signal,
          maxLeases: Math.max(1, maxLeases),
          endAfterMs: streamTimeMs(requirePrincipal(context)),
          ...toLeaseMs(leaseDuration),
        });
        for await (const each of leased) yield create(DequeueJobsResponseSchema, each);
      } catch (error) {
        throw toJobConnectError(error);
      }
    },
    extendLease: ({ lease, leaseDuration }, context) =>
      answer(async () => {
        const { leaseMs } = toLeaseMs(leaseDuration);
        const { expiresAt } = await jobs.extend(requireCaller(context), required(lease), leaseMs);
        return create(ExtendLeaseResponseSchema, {
          cancelled: expiresAt === undefined,
          ...(expiresAt === undefined ? {} : { leaseExpiresAt: timestampFromDate(expiresAt) }),
        });
      }),
    releaseJob: ({ lease }, context) =>
      answer(async () => {
        const job = await jobs.release(requireCaller(context), required(lease));
        return create(ReleaseJobResponseSchema, { job });
      }),
    completeJob: ({ lease, result }, context) =>
      answer(async () => {
        if (result === undefined) throw new JobError("ERR_JOB_INVALID", "result is required");
        const job = await jobs.complete(requireCaller(context), required(lease), result);
        return create(CompleteJobResponseSchema, { job });
      }),
    cancelJob: ({ jobId }, context) =>
      answer(async () => create(CancelJobResponseSchema, { job: await jobs.cancel(requireCaller(context), jobId) })),
    getJob: ({ jobId }, context) =>
      answer(async () => create(GetJobResponseSchema, { job: await jobs.get(requireCaller(context), jobId) })),
    listJobs: (request, context) =>
      answer(async () => {
        const page = await jobs.list(requireCaller(context), request);
        return create(ListJobsResponseSchema, { jobs: [...page.jobs], nextPageToken: page.nextPageToken });
      }),
  };
}

async function answer<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toJobConnectError(error);
  }
}

function required(lease: Lease | undefined): Lease {
  if (lease === undefined) throw new JobError("ERR_JOB_INVALID", "lease is required");
  return lease;
}

/** Longest lease, whatever was asked for. */
const LONGEST_LEASE_MS = 60 * 60 * 1000;

/** A stream of jobs ends this long before its token does, or a fifth of the time left if that is shorter. */
const STREAM_MARGIN_MS = 60 * 1000;

/**
 * How long jobs may be handed out. Cut at the end of the token, or by a worker that minds it, a stream may take a job
 * with it that is on its way: that one would wait for the end of its lease, an attempt lost.
 */
function streamTimeMs({ expiresAtMs }: Principal): number {
  const leftMs = Math.max(0, expiresAtMs - systemClock.nowMs());
  return leftMs - Math.min(STREAM_MARGIN_MS, leftMs / 5);
}

function toLeaseMs(duration: Duration | undefined): { readonly leaseMs?: number } {
  if (duration === undefined) return {};
  return { leaseMs: Math.min(LONGEST_LEASE_MS, Math.max(1, durationMs(duration))) };
}
