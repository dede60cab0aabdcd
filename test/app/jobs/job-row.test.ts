import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { JobSchema, JobState } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import {
  isEnded,
  JOB_COLUMNS,
  type JobRow,
  onlyRow,
  type StoredState,
  toJob,
  toStoredState,
} from "../../../src/app/jobs/job-row.js";

const STATES: readonly [StoredState, JobState, boolean][] = [
  ["scheduled", JobState.SCHEDULED, false],
  ["running", JobState.RUNNING, false],
  ["completed", JobState.COMPLETED, true],
  ["failed", JobState.FAILED, true],
  ["cancelled", JobState.CANCELLED, true],
];

/** A row of a job of organisation `acme`, scheduled unless changed. */
function jobRow(fields: Partial<JobRow> = {}): JobRow {
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

describe("toJob()", () => {
  it.each(STATES)("spells %s as state %i, with a result only when it has ended", (stored, state, ended) => {
    expect(toStoredState(state)).toBe(stored);
    expect(isEnded(stored)).toBe(ended);
    const job = toJob(jobRow({ state: stored, exit_code: 3, error: "why" }));
    expect(job.state).toBe(state);
    expect(job.result).toEqual(ended ? expect.objectContaining({ exitCode: 3, error: "why" }) : undefined);
  });

  it("tells no exit code from the exit code 0", () => {
    expect(toJob(jobRow({ state: "completed", exit_code: 0 })).result?.exitCode).toBe(0);
    expect(toJob(jobRow({ state: "cancelled" })).result?.exitCode).toBeUndefined();
  });

  it("M1: takes whose job it is, and what became of it, from the row and never from what was submitted", () => {
    const forged = create(JobSchema, {
      command: "echo",
      id: "forged",
      orgId: "globex",
      queue: "other",
      state: JobState.COMPLETED,
      attempt: 9,
      submittedBy: "root",
      createdAt: timestampFromDate(new Date(0)),
    });
    const job = toJob(jobRow({ spec: toBinary(JobSchema, forged) }));
    expect(job).toMatchObject({
      id: jobRow().id,
      orgId: "acme",
      queue: "default",
      state: JobState.SCHEDULED,
      attempt: 0,
      submittedBy: "alice",
      createdAt: timestampFromDate(jobRow().created_at),
      command: "echo",
    });
  });

  it("has the instants that there are, and no others", () => {
    const at = new Date(1_700_000_001_234);
    const { startedAt, endedAt } = toJob(jobRow({ state: "running", started_at: at }));
    expect([startedAt, endedAt]).toEqual([timestampFromDate(at), undefined]);
    expect(toJob(jobRow({ state: "failed", ended_at: at })).endedAt).toEqual(timestampFromDate(at));
  });
});

describe("toStoredState()", () => {
  it("has no state for unspecified and for one of a later release", () => {
    expect(toStoredState(JobState.UNSPECIFIED)).toBeUndefined();
    expect(toStoredState(99 as JobState)).toBeUndefined();
  });
});

describe("JOB_COLUMNS", () => {
  it("M12: leaves out what leases and idempotency keys are known by", () => {
    const columns = JOB_COLUMNS.split(",").map((column) => column.trim());
    expect(columns.toSorted()).toEqual(Object.keys(jobRow()).toSorted());
    expect(columns.filter((column) => column.includes("hash"))).toEqual([]);
  });
});

describe("onlyRow()", () => {
  it("gives the row, and fails when it is gone", () => {
    expect(onlyRow([1])).toBe(1);
    expect(() => onlyRow([])).toThrow("a job is gone");
  });
});
