import { createHash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { type EnqueueJobRequest, JobSchema } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { JobError } from "./job-errors.js";

/** What a submitter asks for, ready to be stored. */
export interface JobSpec {
  /** A `latchkey.jobs.v1.Job` with the submitter's fields only. */
  readonly bytes: Uint8Array;
  /** Tells two requests apart: equal for the same queue, job and number of attempts. */
  readonly hash: Uint8Array;
  /** Digest of the idempotency key; undefined when there is none. */
  readonly idempotencyHash: Uint8Array | undefined;
}

/**
 * Gives what is stored of a request.
 *
 * @param maxBytes - How large a job may be, encoded.
 * @throws JobError `ERR_JOB_INVALID` for a text with a NUL, which no process can be started with, and `ERR_JOB_LIMIT`
 * for a job that is too large.
 */
export function toJobSpec(request: EnqueueJobRequest, maxBytes: number): JobSpec {
  assertNoNul("command", [request.command]);
  assertNoNul("args", request.args);
  assertNoNul("environment", Object.values(request.environment));
  assertNoNul("working_directory", [request.workingDirectory]);
  const { command, args, workingDirectory, timeout } = request;
  const environment = sorted(request.environment);
  const metadata = sorted(request.metadata);
  const fields = {
    command,
    args,
    environment,
    workingDirectory,
    metadata,
    ...(timeout === undefined ? {} : { timeout }),
  };
  const bytes = toBinary(JobSchema, create(JobSchema, fields));
  if (bytes.length > maxBytes) throw new JobError("ERR_JOB_LIMIT", `a job may have at most ${maxBytes} bytes`);
  const hash = createHash("sha256")
    .update(JSON.stringify([request.queue, request.maxAttempts]))
    .update(bytes)
    .digest();
  const key = request.idempotencyKey;
  return { bytes, hash, idempotencyHash: key === "" ? undefined : createHash("sha256").update(key).digest() };
}

/** The same entries in one order, so that the same job has the same bytes whoever encoded it. */
function sorted(entries: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function assertNoNul(field: string, texts: readonly string[]): void {
  if (texts.some((text) => text.includes("\0"))) throw new JobError("ERR_JOB_INVALID", `${field} must not contain NUL`);
}
