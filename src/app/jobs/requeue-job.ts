import type { Queryable } from "../database/database.js";
import type { JobContext } from "./job-context.js";
import { JOB_COLUMNS, type JobRow, onlyRow } from "./job-row.js";
import type { Topic } from "./job-signals.js";

/** How a job goes back to its queue. */
export interface Requeue {
  /** Whether the execution that ends here counts as an attempt. */
  readonly countAttempt: boolean;
  /** How long it waits at least, in milliseconds; 0: it is the next one. */
  readonly delayMs: number;
}

/** Puts a running job that the transaction has locked back into its queue. Its lease is worth nothing from then on. */
export async function requeueJob(
  context: JobContext,
  transaction: Queryable,
  row: JobRow,
  { countAttempt, delayMs }: Requeue,
): Promise<JobRow> {
  const { id, org_id: org, queue } = row;
  const ticketId = await context.tickets.issue(
    transaction,
    { org, queue, jobId: id },
    { first: delayMs === 0, delayMs },
  );
  const { rows } = await transaction.query<JobRow>(
    `UPDATE job SET state = 'scheduled', attempt = attempt - $3, ticket_id = $4, lease_hash = NULL,
            lease_stream = NULL, lease_expires_at = NULL
      WHERE id = $1 AND org_id = $2 RETURNING ${JOB_COLUMNS}`,
    [id, org, countAttempt ? 0 : 1, ticketId],
  );
  const requeued = onlyRow(rows);
  const topics: Topic[] = [`queue ${org}/${queue}`];
  if (row.lease_stream !== null) topics.push(`stream ${row.lease_stream}`);
  await context.signals.announce(transaction, topics);
  return requeued;
}
