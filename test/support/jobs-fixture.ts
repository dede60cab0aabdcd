import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type EnqueueJobRequest, EnqueueJobRequestSchema } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Database } from "../../src/app/database/database.js";
import { openDatabase } from "../../src/app/database/open-database.js";
import type { Caller } from "../../src/app/jobs/caller.js";
import { createJobs, type Jobs, type JobsOptions } from "../../src/app/jobs/jobs.js";
import type { LeasedJob } from "../../src/app/jobs/lease-next-job.js";

/** Jobs in an embedded database of their own. */
export interface JobsFixture extends AsyncDisposable {
  readonly database: Database;
  readonly jobs: Jobs;
  readonly dataDir: string;
}

/** Opens jobs in a fresh temporary directory, which is removed on disposal. */
export async function openJobsFixture(options: Omit<JobsOptions, "database"> = {}): Promise<JobsFixture> {
  const dataDir = join(await mkdtemp(join(tmpdir(), "latchkey-jobs-")), "data");
  const database = await openDatabase({ dataDir });
  const jobs = await createJobs({ database, ...options });
  return {
    database,
    jobs,
    dataDir,
    async [Symbol.asyncDispose]() {
      await jobs[Symbol.asyncDispose]();
      await database.close();
      await rm(join(dataDir, ".."), { recursive: true, force: true });
    },
  };
}

/** A caller of an organisation. */
export function caller(org: string, principalId = "alice", ...roles: string[]): Caller {
  return { org, principalId, roles: new Set(roles) };
}

/** A request for a job that would print a word. */
export function jobRequest(fields: MessageInitShape<typeof EnqueueJobRequestSchema> = {}): EnqueueJobRequest {
  return create(EnqueueJobRequestSchema, { queue: "default", command: "echo", args: ["hello"], ...fields });
}

/** Leases the next job of a queue, waiting for it. */
export async function leaseOne(jobs: Jobs, worker: Caller, queue = "default", leaseMs?: number): Promise<LeasedJob> {
  // Not aborted: a stream that is aborted while its job is on offer takes the job back.
  const { signal } = new AbortController();
  const stream = jobs.dequeue(worker, { queue, signal, ...(leaseMs === undefined ? {} : { leaseMs }) });
  const next = await stream.next();
  if (next.done === true) throw new Error("the stream ended without a job");
  return next.value;
}

/** Lets the lease of a job run out now, by the clock of the database. */
export async function expireLease(database: Database, jobId: string): Promise<void> {
  await database.query("UPDATE job SET lease_expires_at = now() - interval '1 millisecond' WHERE id = $1", [jobId]);
}
