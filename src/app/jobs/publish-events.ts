import { clone, toBinary } from "@bufbuild/protobuf";
import { type JobEvent, JobEventSchema, type Lease } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Caller } from "./caller.js";
import type { JobContext } from "./job-context.js";
import { JobError } from "./job-errors.js";
import { onlyRow } from "./job-row.js";
import { leaseNotHeld, lockLeasedJob } from "./lease.js";

/** Events that a worker hands over. */
export interface EventBatch {
  readonly events: readonly JobEvent[];
  /** Position of the first one among all events of the lease, from 1 on; 0: they are not numbered. */
  readonly firstPosition: bigint;
}

/**
 * Appends events to a leased job, all or none, and gives them the next sequence numbers. Of numbered events those that
 * are stored already are left out: after an answer that was lost, a worker sends them again.
 *
 * @returns Sequence number of the job's last event.
 * Rejects with JobError `ERR_LEASE_NOT_HELD`, `ERR_JOB_NOT_FOUND`, or `ERR_JOB_LIMIT` when the job has too many events.
 */
export async function publishEvents(
  context: JobContext,
  caller: Caller,
  lease: Lease,
  { events, firstPosition }: EventBatch,
): Promise<bigint> {
  const { database, limits, signals } = context;
  const all = events.map((event) => {
    const stored = clone(JobEventSchema, event);
    // The sequence number is ours to give.
    stored.sequence = 0n;
    return toBinary(JobEventSchema, stored);
  });
  return await database.transaction(async (transaction) => {
    const { row, held, position } = await lockLeasedJob(transaction, caller, lease);
    if (!held) throw leaseNotHeld();
    const isNumbered = firstPosition > 0n;
    const known = isNumbered && position >= firstPosition ? position - firstPosition + 1n : 0n;
    const encoded = all.slice(Number(known));
    const lastPosition = isNumbered && encoded.length > 0 ? firstPosition + BigInt(all.length) - 1n : position;
    const bytes = encoded.reduce((sum, event) => sum + event.length, 0);
    const { rows, rowCount } = await transaction.query<{ last_sequence: string }>(
      `UPDATE job SET last_sequence = last_sequence + $3, event_bytes = event_bytes + $4, lease_position = $7
        WHERE id = $1 AND org_id = $2 AND last_sequence + $3 <= $5 AND event_bytes + $4 <= $6
        RETURNING last_sequence::text`,
      [row.id, caller.org, encoded.length, bytes, limits.maxEvents, limits.maxEventBytes, String(lastPosition)],
    );
    if (rowCount === 0) throw new JobError("ERR_JOB_LIMIT", "the job has as many events as a job may have");
    const last = BigInt(onlyRow(rows).last_sequence);
    if (encoded.length === 0) return last;
    await transaction.query(
      `INSERT INTO job_event (job_id, sequence, event)
       SELECT $1, $2::bigint + position, event FROM unnest($3::bytea[]) WITH ORDINALITY AS new (event, position)`,
      [row.id, String(last - BigInt(encoded.length)), encoded],
    );
    await signals.announce(transaction, [`job ${row.id}`]);
    return last;
  });
}
