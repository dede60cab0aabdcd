import type { Lease } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Caller } from "./caller.js";
import { endJob } from "./end-job.js";
import type { JobContext } from "./job-context.js";
import { onlyRow } from "./job-row.js";
import { leaseNotHeld, lockLeasedJob } from "./lease.js";

/** What became of a lease. */
export interface ExtendedLease {
  /** When it ends unless it is extended again; undefined when the job was cancelled and the lease has ended. */
  readonly expiresAt: Date | undefined;
}

/**
 * Extends a lease, counted from now. For a job that is to be cancelled this is the moment it ends: its worker knows.
 *
 * Rejects with JobError `ERR_LEASE_NOT_HELD` or `ERR_JOB_NOT_FOUND`.
 */
export async function extendLease(
  context: JobContext,
  caller: Caller,
  lease: Lease,
  leaseMs: number,
): Promise<ExtendedLease> {
  return await context.database.transaction(async (transaction) => {
    const { row, held, known } = await lockLeasedJob(transaction, caller, lease);
    // The answer may have been lost: who asks again is told again.
    if (known && row.state === "cancelled") return { expiresAt: undefined };
    if (!held) throw leaseNotHeld();
    if (row.cancel_requested) {
      await endJob(context, transaction, row, { state: "cancelled" });
      return { expiresAt: undefined };
    }
    const { rows } = await transaction.query<{ lease_expires_at: Date }>(
      `UPDATE job SET lease_expires_at = clock_timestamp() + $3::float8 * interval '1 millisecond'
        WHERE id = $1 AND org_id = $2 RETURNING lease_expires_at`,
      [row.id, caller.org, leaseMs],
    );
    return { expiresAt: onlyRow(rows).lease_expires_at };
  });
}
