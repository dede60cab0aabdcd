import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { DatabaseUnavailableError } from "../../../src/app/database/database-error.js";
import { JobError, type JobErrorCode, jobNotFound, toJobConnectError } from "../../../src/app/jobs/job-errors.js";

describe("toJobConnectError()", () => {
  it.each<[JobErrorCode, Code]>([
    ["ERR_JOB_NOT_FOUND", Code.NotFound],
    ["ERR_JOB_NOT_YOURS", Code.PermissionDenied],
    ["ERR_JOB_INVALID", Code.InvalidArgument],
    ["ERR_JOB_KEY_REUSED", Code.AlreadyExists],
    ["ERR_JOB_LIMIT", Code.ResourceExhausted],
    ["ERR_LEASE_NOT_HELD", Code.FailedPrecondition],
    ["ERR_JOBS_CLOSING", Code.Unavailable],
  ])("answers %s with code %i and the message that is meant for the caller", (code, connectCode) => {
    const error = toJobConnectError(new JobError(code, "what happened"));
    expect(error).toBeInstanceOf(ConnectError);
    expect(error).toMatchObject({ code: connectCode, rawMessage: "what happened", details: [] });
    expect([...(error as ConnectError).metadata]).toEqual([]);
  });

  it("M14: says of the database that it is unavailable, and keeps why for the log", () => {
    const cause = new DatabaseUnavailableError("disk full at /var/lib/secret");
    const error = toJobConnectError(cause);
    expect(error).toMatchObject({ code: Code.Unavailable, rawMessage: "the job store is unavailable", cause });
  });

  it.each([new Error("ours"), new ConnectError("theirs", Code.Aborted), "text", undefined])(
    "leaves %o as it is",
    (error) => {
      expect(toJobConnectError(error)).toBe(error);
    },
  );
});

describe("jobNotFound()", () => {
  it("M1: makes the same answer every time", () => {
    const { name, code, message } = jobNotFound();
    expect({ name, code, message }).toEqual({ name: "JobError", code: "ERR_JOB_NOT_FOUND", message: "job not found" });
    expect(Object.keys(jobNotFound())).toEqual(Object.keys(jobNotFound()));
    expect(jobNotFound().cause).toBeUndefined();
  });
});
