import { Code, ConnectError } from "@connectrpc/connect";
import { DatabaseUnavailableError } from "../database/database-error.js";

/** Why a call about a job is refused. */
export type JobErrorCode =
  | "ERR_JOB_NOT_FOUND"
  | "ERR_JOB_NOT_YOURS"
  | "ERR_JOB_INVALID"
  | "ERR_JOB_KEY_REUSED"
  | "ERR_JOB_LIMIT"
  | "ERR_LEASE_NOT_HELD"
  | "ERR_JOBS_CLOSING";

const CONNECT_CODES: Readonly<Record<JobErrorCode, Code>> = {
  ERR_JOB_NOT_FOUND: Code.NotFound,
  ERR_JOB_NOT_YOURS: Code.PermissionDenied,
  ERR_JOB_INVALID: Code.InvalidArgument,
  ERR_JOB_KEY_REUSED: Code.AlreadyExists,
  ERR_JOB_LIMIT: Code.ResourceExhausted,
  ERR_LEASE_NOT_HELD: Code.FailedPrecondition,
  ERR_JOBS_CLOSING: Code.Unavailable,
};

/** A call about a job is refused; the message is meant for the caller and carries nothing that was sent. */
export class JobError extends Error {
  override readonly name = "JobError";
  /** Why; stable across releases. */
  readonly code: JobErrorCode;
  constructor(code: JobErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** The one answer for a job that does not exist and for one of another organisation: nobody learns which it is. */
export function jobNotFound(): JobError {
  return new JobError("ERR_JOB_NOT_FOUND", "job not found");
}

/**
 * Gives the error to answer a call with. What is neither ours nor the database's is returned as it is; the framework
 * answers it with `internal` and no detail.
 */
export function toJobConnectError(error: unknown): unknown {
  if (error instanceof JobError) return new ConnectError(error.message, CONNECT_CODES[error.code]);
  if (error instanceof DatabaseUnavailableError) {
    return new ConnectError("the job store is unavailable", Code.Unavailable, undefined, undefined, error);
  }
  return error;
}
