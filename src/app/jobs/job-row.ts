import { create, fromBinary } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Job, JobResultSchema, JobSchema, JobState } from "#gen/latchkey/jobs/v1/jobs_pb.js";

/** How the database spells the states. */
export type StoredState = "scheduled" | "running" | "completed" | "failed" | "cancelled";

const STATES: Readonly<Record<StoredState, JobState>> = {
  scheduled: JobState.SCHEDULED,
  running: JobState.RUNNING,
  completed: JobState.COMPLETED,
  failed: JobState.FAILED,
  cancelled: JobState.CANCELLED,
};

/** What is read of a job. */
export interface JobRow {
  readonly id: string;
  readonly org_id: string;
  readonly queue: string;
  readonly state: StoredState;
  readonly spec: Uint8Array;
  readonly submitted_by: string;
  readonly max_attempts: number;
  readonly attempt: number;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly ended_at: Date | null;
  readonly exit_code: number | null;
  readonly error: string;
  readonly cancel_requested: boolean;
  readonly ticket_id: string | null;
  readonly lease_stream: string | null;
  readonly lease_expires_at: Date | null;
}

/** Columns of {@link JobRow}, for SELECT and RETURNING. */
export const JOB_COLUMNS = `id, org_id, queue, state, spec, submitted_by, max_attempts, attempt, created_at, started_at,
  ended_at, exit_code, error, cancel_requested, ticket_id, lease_stream, lease_expires_at`;

const ENDED: ReadonlySet<StoredState> = new Set(["completed", "failed", "cancelled"]);

/** Tells whether a job in this state has ended for good. */
export function isEnded(state: StoredState): boolean {
  return ENDED.has(state);
}

/** Gives the state as the database spells it, or undefined for "unspecified". */
export function toStoredState(state: JobState): StoredState | undefined {
  return (Object.keys(STATES) as StoredState[]).find((stored) => STATES[stored] === state);
}

/** Gives the job as callers see it. */
export function toJob(row: JobRow): Job {
  const job = fromBinary(JobSchema, row.spec);
  job.id = row.id;
  job.orgId = row.org_id;
  job.queue = row.queue;
  job.state = STATES[row.state];
  job.attempt = row.attempt;
  job.submittedBy = row.submitted_by;
  job.createdAt = timestampFromDate(row.created_at);
  setIfPresent(row.started_at, (at) => {
    job.startedAt = at;
  });
  setIfPresent(row.ended_at, (at) => {
    job.endedAt = at;
  });
  if (isEnded(row.state)) {
    job.result = create(JobResultSchema, {
      error: row.error,
      ...(row.exit_code === null ? {} : { exitCode: row.exit_code }),
    });
  }
  return job;
}

/** Gives the row of a job that the transaction has written or locked, so that it must be there. */
export function onlyRow<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined) throw new Error("a job is gone that the transaction has written or locked");
  return row;
}

function setIfPresent(date: Date | null, set: (at: Timestamp) => void): void {
  if (date !== null) set(timestampFromDate(date));
}
