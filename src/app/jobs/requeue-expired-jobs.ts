import { endJob } from "./end-job.js";
import type { JobContext } from "./job-context.js";
import { JOB_COLUMNS, type JobRow } from "./job-row.js";
import { requeueJob } from "./requeue-job.js";

/** How many jobs one transaction takes care of. */
const BATCH = 50;

/**
 * Takes back the jobs whose lease has run out by the clock of the database: one that has attempts left waits for the
 * next worker, after a delay that grows, the others fail. Servers that do so at once share the work.
 *
 * @returns How many leases had run out.
 */
export async function requeueExpiredJobs(context: JobContext): Promise<number> {
  let total = 0;
  for (let batch = BATCH; batch === BATCH && !context.closing.aborted; total += batch) {
    batch = await requeueBatch(context);
  }
  return total;
}

async function requeueBatch(context: JobContext): Promise<number> {
  return await context.database.transaction(async (transaction) => {
    const { rows } = await transaction.query<JobRow>(
      `SELECT ${JOB_COLUMNS} FROM job WHERE state = 'running' AND lease_expires_at <= now()
        ORDER BY lease_expires_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED`,
    );
    for (const row of rows) {
      if (row.cancel_requested) {
        await endJob(context, transaction, row, { state: "cancelled" });
      } else if (row.attempt >= row.max_attempts) {
        const times = row.attempt === 1 ? "1 attempt" : `${row.attempt} attempts`;
        const error = `given up after ${times}: the worker was lost before it reported a result`;
        await endJob(context, transaction, row, { state: "failed", error });
      } else {
        await requeueJob(context, transaction, row, {
          countAttempt: true,
          delayMs: retryDelayMs(context, row.attempt),
        });
      }
    }
    return rows.length;
  });
}

/** Exponential, with the upper half of it drawn at random: jobs lost together do not come back together. */
function retryDelayMs({ limits }: JobContext, attempt: number): number {
  const fullMs = Math.min(limits.longestRetryDelayMs, limits.firstRetryDelayMs * 2 ** (attempt - 1));
  return (fullMs / 2) * (1 + Math.random());
}
