import type { Job, Lease } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Caller } from "./caller.js";
import { endJob } from "./end-job.js";
import type { JobContext } from "./job-context.js";
import { toJob } from "./job-row.js";
import { leaseNotHeld, lockLeasedJob } from "./lease.js";
import { requeueJob } from "./requeue-job.js";

/**
 * Gives a leased job back: it is the next one of its queue, and the attempt is not counted. One that is to be cancelled
 * is cancelled instead.
 *
 * Rejects with JobError `ERR_LEASE_NOT_HELD` or `ERR_JOB_NOT_FOUND`.
 */
export async function releaseJob(context: JobContext, caller: Caller, lease: Lease): Promise<Job> {
  return await context.database.transaction(async (transaction) => {
    const { row, held } = await lockLeasedJob(transaction, caller, lease);
    if (!held) throw leaseNotHeld();
    return toJob(
      row.cancel_requested
        ? await endJob(context, transaction, row, { state: "cancelled" })
        : await requeueJob(context, transaction, row, { countAttempt: false, delayMs: 0 }),
    );
  });
}
