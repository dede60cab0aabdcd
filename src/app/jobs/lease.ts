import { createHash, randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { type Lease, LeaseSchema } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Queryable } from "../database/database.js";
import type { Caller } from "./caller.js";
import { JobError, jobNotFound } from "./job-errors.js";
import { JOB_COLUMNS, type JobRow } from "./job-row.js";

/** 128 bits that only the worker knows; the database keeps their digest, so reading it does not give a lease away. */
export function createLeaseToken(): { readonly token: Uint8Array; readonly hash: Uint8Array } {
  const token = Uint8Array.from(randomBytes(16));
  return { token, hash: hashLeaseToken(token) };
}

/** Puts together what a worker proves its lease by. */
export function toLease(jobId: string, attempt: number, token: Uint8Array): Lease {
  return create(LeaseSchema, { jobId, attempt, token: Uint8Array.from(token) });
}

/** A job under lock, with what a lease that was presented is worth. */
export interface LockedJob {
  readonly row: JobRow;
  /** The lease is the job's present one and has not run out. */
  readonly held: boolean;
  /** The lease is the job's present or last one, run out or not. */
  readonly known: boolean;
  /** How many events of the lease are stored, of those that its worker numbers. */
  readonly position: bigint;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Throws for an identifier that no job can have, as for one that no job has. */
export function assertJobId(id: string): void {
  if (!UUID.test(id)) throw jobNotFound();
}

/**
 * Locks a job for the rest of the transaction and judges a lease of it, by the clock of the database.
 *
 * The digests are compared, not the tokens: how long it takes says nothing about the token. The attempt is compared as
 * well, though the random bits alone would do: a worker that mixes up two leases is told so.
 *
 * Rejects with JobError `ERR_JOB_NOT_FOUND` when the caller's organisation has no such job.
 */
export async function lockLeasedJob(transaction: Queryable, caller: Caller, lease: Lease): Promise<LockedJob> {
  assertJobId(lease.jobId);
  const { rows } = await transaction.query<JobRow & { held: boolean; known: boolean; position: string }>(
    `SELECT ${JOB_COLUMNS}, lease_position::text AS position,
            coalesce(attempt = $3 AND lease_hash = $4, false) AS known,
            coalesce(attempt = $3 AND lease_hash = $4 AND state = 'running'
                     AND lease_expires_at > clock_timestamp(), false) AS held
       FROM job WHERE id = $1 AND org_id = $2 FOR UPDATE`,
    [lease.jobId, caller.org, lease.attempt, hashLeaseToken(lease.token)],
  );
  const row = rows[0];
  if (row === undefined) throw jobNotFound();
  return { row, held: row.held, known: row.known, position: BigInt(row.position) };
}

/** The answer to a lease that is not held any more, whatever became of it. */
export function leaseNotHeld(): JobError {
  return new JobError("ERR_LEASE_NOT_HELD", "the lease is not held any more");
}

function hashLeaseToken(token: Uint8Array): Uint8Array {
  return createHash("sha256").update(token).digest();
}
