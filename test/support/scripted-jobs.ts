import { create, toBinary } from "@bufbuild/protobuf";
import { JobSchema } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Database, Queryable } from "../../src/app/database/database.js";
import type { JobContext } from "../../src/app/jobs/job-context.js";
import type { JobRow } from "../../src/app/jobs/job-row.js";
import { createManualClock } from "../../src/testing/manual-clock.js";

/** One statement that reached the database. */
export interface Statement {
  readonly sql: string;
  readonly params: readonly unknown[];
}

/** A job service without a database: a test gives the rows, and sees what was done in which order. */
export interface ScriptedJobs {
  readonly context: JobContext;
  readonly statements: readonly Statement[];
  /** `begin`, `commit`, `rollback`, the verb of each statement, `announce TOPIC`, `issue`, `discard ID`. */
  readonly log: readonly string[];
  /** Options of the tickets that were issued. */
  readonly issued: readonly { readonly first?: boolean; readonly delayMs?: number }[];
}

/** A row of a job of organisation `acme`, scheduled unless changed. */
export function jobRow(fields: Partial<JobRow> = {}): JobRow {
  return {
    id: "11111111-2222-4333-8444-555555555555",
    org_id: "acme",
    queue: "default",
    state: "scheduled",
    spec: toBinary(JobSchema, create(JobSchema, { command: "echo", args: ["hello"] })),
    submitted_by: "alice",
    max_attempts: 3,
    attempt: 0,
    created_at: new Date(1_700_000_000_000),
    started_at: null,
    ended_at: null,
    exit_code: null,
    error: "",
    cancel_requested: false,
    ticket_id: null,
    lease_stream: null,
    lease_expires_at: null,
    ...fields,
  };
}

/** Creates a {@link ScriptedJobs}; `answer` gives the rows of each statement. */
export function scriptJobs(
  answer: (statement: Statement, index: number) => readonly object[],
  changes: Partial<JobContext> = {},
): ScriptedJobs {
  const statements: Statement[] = [];
  const log: string[] = [];
  const issued: { readonly first?: boolean; readonly delayMs?: number }[] = [];
  const queryable: Queryable = {
    async query<Row>(sql: string, params: readonly unknown[] = []) {
      log.push(/\w+/.exec(sql)?.[0] ?? "");
      const rows = answer({ sql, params }, statements.push({ sql, params }) - 1) as readonly Row[];
      return { rows, rowCount: rows.length };
    },
    async notify() {},
    bossDb: { executeSql: async () => ({ rows: [] }) },
  };
  const database: Database = {
    ...queryable,
    schema: "latchkey",
    backend: "pglite",
    async transaction(work) {
      log.push("begin");
      try {
        const result = await work(queryable);
        log.push("commit");
        return result;
      } catch (error) {
        log.push("rollback");
        throw error;
      }
    },
    listen: async () => ({ [Symbol.asyncDispose]: async () => {} }),
    close: async () => {},
  };
  const context: JobContext = {
    database,
    tickets: {
      ensureQueue: async () => {},
      async issue(_transaction, _job, options = {}) {
        log.push("issue");
        issued.push(options);
        return "99999999-2222-4333-8444-555555555555";
      },
      take: async () => undefined,
      async discard(_org, _queue, ticketId) {
        log.push(`discard ${ticketId}`);
      },
      close: async () => {},
    },
    signals: {
      async announce(_transaction, topics) {
        for (const topic of topics) log.push(`announce ${topic}`);
      },
      watch: () => ({ wait: async () => {}, [Symbol.dispose]() {} }),
      [Symbol.asyncDispose]: async () => {},
    },
    limits: {
      leaseMs: 30_000,
      maxAttempts: 3,
      firstRetryDelayMs: 1_000,
      longestRetryDelayMs: 60_000,
      sweepIntervalMs: 1_000,
      pollIntervalMs: 2_000,
      maxJobBytes: 1_024,
      maxEvents: 100,
      maxEventBytes: 1_024,
    },
    clock: createManualClock(),
    pageTokenKey: new Uint8Array(32),
    closing: new AbortController().signal,
    ...changes,
  };
  return { context, statements, log, issued };
}
