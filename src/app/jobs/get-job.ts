import type { Job } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Caller } from "./caller.js";
import type { JobContext } from "./job-context.js";
import { jobNotFound } from "./job-errors.js";
import { JOB_COLUMNS, type JobRow, toJob } from "./job-row.js";
import { assertJobId } from "./lease.js";

/** Reads a job of the caller's organisation. Rejects with JobError `ERR_JOB_NOT_FOUND`. */
export async function getJob(context: JobContext, caller: Caller, jobId: string): Promise<Job> {
  assertJobId(jobId);
  const { rows } = await context.database.query<JobRow>(
    `SELECT ${JOB_COLUMNS} FROM job WHERE id = $1 AND org_id = $2`,
    [jobId, caller.org],
  );
  const row = rows[0];
  if (row === undefined) throw jobNotFound();
  return toJob(row);
}
