import type { Queryable } from "../database/database.js";
import type { JobContext } from "./job-context.js";
import { JOB_COLUMNS, type JobRow, onlyRow } from "./job-row.js";
import type { Topic } from "./job-signals.js";

/** How a job ends. */
export interface JobEnd {
  readonly state: "completed" | "failed" | "cancelled";
  readonly exitCode?: number | undefined;
  readonly error?: string;
}

/** Ends a job that the transaction has locked, for good, and tells those who follow it. */
export async function endJob(
  context: JobContext,
  transaction: Queryable,
  row: JobRow,
  { state, exitCode, error = "" }: JobEnd,
): Promise<JobRow> {
  const { rows } = await transaction.query<JobRow>(
    `UPDATE job SET state = $3, exit_code = $4, error = $5, ended_at = clock_timestamp(), lease_expires_at = NULL,
            ticket_id = NULL
      WHERE id = $1 AND org_id = $2 RETURNING ${JOB_COLUMNS}`,
    [row.id, row.org_id, state, exitCode ?? null, error],
  );
  const ended = onlyRow(rows);
  const topics: Topic[] = [`job ${row.id}`];
  if (row.lease_stream !== null) topics.push(`stream ${row.lease_stream}`);
  await context.signals.announce(transaction, topics);
  return ended;
}
