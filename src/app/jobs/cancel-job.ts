import type { Job } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Caller } from "./caller.js";
import { endJob } from "./end-job.js";
import type { JobContext } from "./job-context.js";
import { JobError, jobNotFound } from "./job-errors.js";
import { JOB_COLUMNS, type JobRow, toJob } from "./job-row.js";
import { assertJobId } from "./lease.js";

/**
 * Cancels a job: a waiting one now, a running one when its worker next extends or releases the lease, or loses it. One
 * that has ended is returned as it is.
 *
 * Rejects with JobError `ERR_JOB_NOT_FOUND`, or `ERR_JOB_NOT_YOURS` when the caller neither enqueued the job nor is an
 * admin.
 */
export async function cancelJob(context: JobContext, caller: Caller, jobId: string): Promise<Job> {
  assertJobId(jobId);
  const { before, after } = await context.database.transaction(async (transaction) => {
    const { rows } = await transaction.query<JobRow>(
      `SELECT ${JOB_COLUMNS} FROM job WHERE id = $1 AND org_id = $2 FOR UPDATE`,
      [jobId, caller.org],
    );
    const row = rows[0];
    if (row === undefined) throw jobNotFound();
    if (row.submitted_by !== caller.principalId && !caller.roles.has("admin")) {
      throw new JobError("ERR_JOB_NOT_YOURS", "only the submitter of a job and admins may cancel it");
    }
    if (row.state === "scheduled") {
      return { before: row, after: await endJob(context, transaction, row, { state: "cancelled" }) };
    }
    if (row.state === "running") {
      await transaction.query("UPDATE job SET cancel_requested = true WHERE id = $1 AND org_id = $2", [
        jobId,
        caller.org,
      ]);
    }
    return { before: row, after: row };
  });
  if (before.ticket_id !== null) {
    // Outside of the transaction: whoever leases locks the ticket first and the job second. One that stays is worthless
    // and goes when it is taken.
    await context.tickets.discard(caller.org, before.queue, before.ticket_id).catch(() => {});
  }
  return toJob(after);
}
