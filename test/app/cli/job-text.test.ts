import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { JobSchema, JobState } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import {
  formatCommand,
  formatEnding,
  formatState,
  JOB_HEADINGS,
  JOB_STATES,
  toJobRow,
} from "../../../src/app/cli/job-text.js";

describe("formatState()", () => {
  it("has a name for every state", () => {
    const states = Object.values(JobState).filter(
      (state) => typeof state === "number" && state !== JobState.UNSPECIFIED,
    );
    expect(states.map((state) => formatState(state as JobState))).toEqual([...JOB_STATES.keys()]);
  });
});

describe("formatCommand()", () => {
  it("quotes what a shell would take apart", () => {
    const command = formatCommand({ command: "sh", args: ["-c", "echo 'it''s' > a", "", "plain-1.txt"] });
    expect(command).toBe(String.raw`sh -c 'echo '\''it'\'''\''s'\'' > a' '' plain-1.txt`);
  });
});

describe("formatEnding()", () => {
  it.each([
    [{ state: JobState.COMPLETED, result: { exitCode: 0 } }, "completed, exit code 0"],
    [{ state: JobState.FAILED, result: { error: "timed out after 5 s" } }, "failed, timed out after 5 s"],
    [{ state: JobState.CANCELLED }, "cancelled"],
    [{ state: JobState.FAILED, result: { error: "a\u001b[2J" } }, "failed, a\\u{1b}[2J"],
  ])("says how %j ended", (job, text) => {
    expect(formatEnding(create(JobSchema, job))).toBe(text);
  });
});

describe("toJobRow()", () => {
  it("has a cell for every heading", () => {
    const job = create(JobSchema, {
      id: "1",
      queue: "default",
      state: JobState.RUNNING,
      attempt: 2,
      command: "true",
      createdAt: { seconds: 0n },
    });
    const row = toJobRow(job);
    expect(row).toEqual(["1", "running", "", "default", "2", "1970-01-01T00:00:00.000Z", "true"]);
    expect(row).toHaveLength(JOB_HEADINGS.length);
  });
});
