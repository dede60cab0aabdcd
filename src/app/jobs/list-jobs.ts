import type { Job, ListJobsRequest } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Caller } from "./caller.js";
import type { JobContext } from "./job-context.js";
import { JOB_COLUMNS, type JobRow, toJob, toStoredState } from "./job-row.js";
import { formatPageToken, parsePageToken } from "./page-token.js";

/** One page of jobs. */
export interface JobPage {
  readonly jobs: readonly Job[];
  /** Where the next page starts; empty when this is the last one. */
  readonly nextPageToken: string;
}

const DEFAULTS = {
  pageSize: 50,
  maxPageSize: 200,
  /** A page ends early with the job that reaches this size: 200 large jobs would not fit into a message. */
  maxPageBytes: 3 * 1024 * 1024,
} as const;

/**
 * Lists jobs of the caller's organisation, newest first. Jobs enqueued meanwhile do not shift the pages.
 *
 * Rejects with JobError `ERR_JOB_INVALID` for a page token of another listing.
 */
export async function listJobs(
  context: JobContext,
  caller: Caller,
  request: Pick<ListJobsRequest, "queue" | "state" | "pageSize" | "pageToken">,
): Promise<JobPage> {
  const { queue, state, pageToken } = request;
  const scope = { org: caller.org, queue, state };
  const pageSize = request.pageSize > 0 ? Math.min(request.pageSize, DEFAULTS.maxPageSize) : DEFAULTS.pageSize;
  const params: unknown[] = [caller.org, pageSize + 1, DEFAULTS.maxPageBytes];
  const where = ["org_id = $1"];
  if (queue !== "") where.push(`queue = $${params.push(queue)}`);
  const storedState = toStoredState(state);
  if (storedState !== undefined) where.push(`state = $${params.push(storedState)}`);
  if (pageToken !== "") {
    const { createdAtMicros, jobId } = parsePageToken(context.pageTokenKey, scope, pageToken);
    const micros = `$${params.push(String(createdAtMicros))}::bigint`;
    where.push(
      `(created_at, id) < (timestamptz 'epoch' + ${micros} * interval '1 microsecond', $${params.push(jobId)}::uuid)`,
    );
  }
  const { rows } = await context.database.query<JobRow & { micros: string; found: number }>(
    `SELECT ${JOB_COLUMNS}, (extract(epoch FROM created_at) * 1000000)::bigint::text AS micros, found
       FROM (SELECT *, (count(*) OVER ())::int AS found,
                    sum(octet_length(spec)) OVER (ORDER BY created_at DESC, id DESC) - octet_length(spec) AS bytes_before
               FROM (SELECT * FROM job WHERE ${where.join(" AND ")} ORDER BY created_at DESC, id DESC LIMIT $2) AS page
            ) AS measured
      WHERE bytes_before < $3 ORDER BY created_at DESC, id DESC`,
    params,
  );
  const page = rows.slice(0, pageSize);
  const last = page.at(-1);
  // One more than the page was asked for, to know whether there is a next one.
  const isLastPage = last === undefined || last.found === page.length;
  const nextPageToken = isLastPage
    ? ""
    : formatPageToken(context.pageTokenKey, scope, { createdAtMicros: BigInt(last.micros), jobId: last.id });
  return { jobs: page.map(toJob), nextPageToken };
}
