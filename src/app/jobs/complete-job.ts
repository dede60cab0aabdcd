import type { Job, JobResult, Lease } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Caller } from "./caller.js";
import { endJob } from "./end-job.js";
import type { JobContext } from "./job-context.js";
import { toJob } from "./job-row.js";
import { leaseNotHeld, lockLeasedJob } from "./lease.js";

/**
 * Records the result of a leased job, once: the same call again, as after an answer that was lost, gives the same job.
 *
 * A result that arrives before its worker has heard of a cancellation counts: the command did run to its end.
 *
 * Rejects with JobError `ERR_LEASE_NOT_HELD` or `ERR_JOB_NOT_FOUND`.
 */
export async function completeJob(
  context: JobContext,
  caller: Caller,
  lease: Lease,
  result: Pick<JobResult, "exitCode" | "error">,
): Promise<Job> {
  const { exitCode } = result;
  // A text column holds no NUL, and a worker that reports one shall still get its job ended.
  const error = result.error.replaceAll("\0", "\uFFFD");
  return await context.database.transaction(async (transaction) => {
    const { row, held, known } = await lockLeasedJob(transaction, caller, lease);
    if (held) {
      const state = exitCode === 0 && error === "" ? "completed" : "failed";
      return toJob(await endJob(context, transaction, row, { state, exitCode, error }));
    }
    const recorded = row.state === "completed" || row.state === "failed";
    if (known && recorded && row.exit_code === (exitCode ?? null) && row.error === error) return toJob(row);
    throw leaseNotHeld();
  });
}
