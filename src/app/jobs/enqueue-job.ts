import { randomUUID } from "node:crypto";
import type { EnqueueJobRequest, Job } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Queryable } from "../database/database.js";
import type { Caller } from "./caller.js";
import type { JobContext } from "./job-context.js";
import { JobError } from "./job-errors.js";
import { JOB_COLUMNS, type JobRow, onlyRow, toJob } from "./job-row.js";
import { type JobSpec, toJobSpec } from "./job-spec.js";

/**
 * Stores a job and queues it, both or neither. Answered once it is committed, so that an answered job is not lost.
 *
 * Rejects with JobError `ERR_JOB_KEY_REUSED` when the organisation has used the idempotency key for another job; for
 * the same job the first one is returned, however many calls arrive at once.
 */
export async function enqueueJob(context: JobContext, caller: Caller, request: EnqueueJobRequest): Promise<Job> {
  const { database, tickets, signals, limits } = context;
  const { org } = caller;
  const { queue } = request;
  const spec = toJobSpec(request, limits.maxJobBytes);
  const maxAttempts = request.maxAttempts > 0 ? request.maxAttempts : limits.maxAttempts;
  await tickets.ensureQueue(org, queue);
  return await database.transaction(async (transaction) => {
    const id = randomUUID();
    // A second call with the same key waits here until the first is committed or gone.
    const inserted = await transaction.query(
      `INSERT INTO job (id, org_id, queue, state, spec, spec_hash, idempotency_hash, submitted_by, max_attempts)
       VALUES ($1, $2, $3, 'scheduled', $4, $5, $6, $7, $8)
       ON CONFLICT (org_id, idempotency_hash) WHERE idempotency_hash IS NOT NULL DO NOTHING RETURNING id`,
      [id, org, queue, spec.bytes, spec.hash, spec.idempotencyHash ?? null, caller.principalId, maxAttempts],
    );
    if (inserted.rows.length === 0) return await findByKey(transaction, org, spec);
    const ticketId = await tickets.issue(transaction, { org, queue, jobId: id });
    const { rows } = await transaction.query<JobRow>(
      `UPDATE job SET ticket_id = $3 WHERE id = $1 AND org_id = $2 RETURNING ${JOB_COLUMNS}`,
      [id, org, ticketId],
    );
    await signals.announce(transaction, [`queue ${org}/${queue}`]);
    return toJob(onlyRow(rows));
  });
}

async function findByKey(transaction: Queryable, org: string, spec: JobSpec): Promise<Job> {
  const { rows } = await transaction.query<JobRow & { same: boolean }>(
    `SELECT ${JOB_COLUMNS}, spec_hash = $3 AS same FROM job WHERE org_id = $1 AND idempotency_hash = $2`,
    [org, spec.idempotencyHash, spec.hash],
  );
  const row = onlyRow(rows);
  if (row.same) return toJob(row);
  throw new JobError("ERR_JOB_KEY_REUSED", "the idempotency key was used for another job");
}
