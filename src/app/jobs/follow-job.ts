import { fromBinary } from "@bufbuild/protobuf";
import { type Job, type JobEvent, JobEventSchema } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Caller } from "./caller.js";
import { getJob } from "./get-job.js";
import type { JobContext } from "./job-context.js";
import { JobError, jobNotFound } from "./job-errors.js";
import { isEnded, type StoredState } from "./job-row.js";
import { assertJobId } from "./lease.js";

/** An event of a job, or, last of all, the job after its end. */
export type JobNews = { readonly event: JobEvent } | { readonly endedJob: Job };

/** How many events one statement reads; each has at most 64 KiB of output. */
const BATCH = 64;

/**
 * Gives the events of a job after a sequence number, those stored and then those to come, and at last the ended job.
 * Nothing is kept for a reader that is slow: it reads from the tables at its own pace.
 *
 * Fails with JobError `ERR_JOB_NOT_FOUND`, with `ERR_JOBS_CLOSING` when the service ends before the job (the reader goes
 * on elsewhere, after the last event it has), or with the signal's reason.
 */
export async function* followJob(
  context: JobContext,
  caller: Caller,
  jobId: string,
  options: { readonly afterSequence: bigint; readonly signal: AbortSignal },
): AsyncGenerator<JobNews, void, undefined> {
  const { signal } = options;
  const ending = AbortSignal.any([signal, context.closing]);
  let after = options.afterSequence;
  using watch = context.signals.watch([`job ${jobId.toLowerCase()}`]);
  for (;;) {
    signal.throwIfAborted();
    if (context.closing.aborted) throw new JobError("ERR_JOBS_CLOSING", "the server shuts down; follow the job again");
    // The state first: a job that has ended gets no more events, so that those read afterwards are all there are.
    const state = await readState(context, caller, jobId);
    const events = await readEvents(context, caller, jobId, after);
    for (const event of events) {
      yield { event };
      after = event.sequence;
    }
    if (events.length === BATCH) continue;
    if (isEnded(state)) {
      yield { endedJob: await getJob(context, caller, jobId) };
      return;
    }
    await watch.wait({ signal: ending, timeoutMs: context.limits.pollIntervalMs });
  }
}

async function readState({ database }: JobContext, caller: Caller, jobId: string): Promise<StoredState> {
  assertJobId(jobId);
  const { rows } = await database.query<{ state: StoredState }>("SELECT state FROM job WHERE id = $1 AND org_id = $2", [
    jobId,
    caller.org,
  ]);
  const row = rows[0];
  if (row === undefined) throw jobNotFound();
  return row.state;
}

async function readEvents(
  { database }: JobContext,
  caller: Caller,
  jobId: string,
  afterSequence: bigint,
): Promise<JobEvent[]> {
  const { rows } = await database.query<{ sequence: string; event: Uint8Array }>(
    `SELECT sequence::text, event FROM job_event JOIN job ON job.id = job_event.job_id
      WHERE job.id = $1 AND job.org_id = $2 AND sequence > $3 ORDER BY job_event.sequence LIMIT ${BATCH}`,
    [jobId, caller.org, String(afterSequence)],
  );
  return rows.map((row) => {
    const event = fromBinary(JobEventSchema, row.event);
    event.sequence = BigInt(row.sequence);
    return event;
  });
}
