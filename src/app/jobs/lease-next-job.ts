import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Job, Lease } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Caller } from "./caller.js";
import type { JobContext } from "./job-context.js";
import { JOB_COLUMNS, type JobRow, toJob } from "./job-row.js";
import { createLeaseToken, toLease } from "./lease.js";

/** Which job a worker wants, and for how long. */
export interface LeaseRequest {
  readonly queue: string;
  /** Identifier of the stream that the lease counts for. */
  readonly streamId: string;
  /** How many leases the stream may hold. */
  readonly maxLeases: number;
  /** How long the lease lasts unless it is extended, in milliseconds. */
  readonly leaseMs: number;
}

/** A job and the proof that the worker holds it. */
export interface LeasedJob {
  readonly job: Job;
  readonly lease: Lease;
  readonly leaseExpiresAt: Timestamp;
}

/** How many worthless tickets, of jobs cancelled while they waited, one transaction clears away. */
const MAX_STALE_TICKETS = 100;

/**
 * Leases the next waiting job of a queue, or gives undefined when none is due or the stream has no place left.
 *
 * Costs one statement when there is nothing to do.
 */
export async function leaseNextJob(
  context: JobContext,
  caller: Caller,
  request: LeaseRequest,
): Promise<LeasedJob | undefined> {
  const { database, tickets } = context;
  const { queue, streamId } = request;
  const { rows } = await database.query<{ held: number; waiting: boolean }>(
    `SELECT (SELECT count(*) FROM job
              WHERE lease_stream = $3 AND state = 'running' AND lease_expires_at > clock_timestamp())::int AS held,
            EXISTS (SELECT 1 FROM job WHERE org_id = $1 AND queue = $2 AND state = 'scheduled') AS waiting`,
    [caller.org, queue, streamId],
  );
  // Between the two statements the stream can only lose leases: it takes them one after the other.
  const found = rows[0];
  if (found === undefined || !found.waiting || found.held >= request.maxLeases) return undefined;

  const { token, hash } = createLeaseToken();
  return await database.transaction(async (transaction) => {
    for (let taken = 0; taken < MAX_STALE_TICKETS; taken++) {
      const ticket = await tickets.take(transaction, caller.org, queue);
      if (ticket === undefined) return undefined;
      const { rows } = await transaction.query<JobRow>(
        `UPDATE job SET state = 'running', attempt = attempt + 1, started_at = clock_timestamp(), ticket_id = NULL,
                lease_hash = $4, lease_stream = $5, lease_position = 0,
                lease_expires_at = clock_timestamp() + $6::float8 * interval '1 millisecond'
          WHERE id = $1 AND org_id = $2 AND queue = $3 AND state = 'scheduled' RETURNING ${JOB_COLUMNS}`,
        [ticket.jobId, caller.org, queue, hash, streamId, request.leaseMs],
      );
      const row = rows[0];
      if (row === undefined || row.lease_expires_at === null) continue;
      return {
        job: toJob(row),
        lease: toLease(row.id, row.attempt, token),
        leaseExpiresAt: timestampFromDate(row.lease_expires_at),
      };
    }
    return undefined;
  });
}
