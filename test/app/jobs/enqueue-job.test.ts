import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createManualClock } from "../../../src/testing/manual-clock.js";
import { caller, type JobsFixture, jobRequest, leaseOne, openJobsFixture } from "../../support/jobs-fixture.js";

describe("enqueueJob()", () => {
  let fixture: JobsFixture;
  beforeAll(async () => {
    fixture = await openJobsFixture({ clock: createManualClock(), limits: { maxJobBytes: 1000 } });
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  it("M9: gives 100 parallel calls with one idempotency key one job", async () => {
    const { jobs, database } = fixture;
    const submitter = caller("parallel", "sam");
    const request = jobRequest({ idempotencyKey: "nightly", environment: { A: "1", B: "2" } });
    const answers = await Promise.all(Array.from({ length: 100 }, () => jobs.enqueue(submitter, request)));
    expect(new Set(answers.map((job) => job.id)).size).toBe(1);
    const { rows } = await database.query("SELECT 1 FROM job WHERE org_id = 'parallel'");
    expect(rows).toHaveLength(1);
    const { rows: tickets } = await database.query("SELECT 1 FROM latchkey_boss.job WHERE name = 'parallel/default'");
    expect(tickets).toHaveLength(1);
  });

  it("M9: answers the same job with the first one whatever became of it, in whatever order its fields come", async () => {
    const { jobs } = fixture;
    const submitter = caller("again", "sam");
    const request = jobRequest({ idempotencyKey: "k", environment: { A: "1", B: "2" }, metadata: { x: "1", y: "2" } });
    const { id } = await jobs.enqueue(submitter, request);
    const { lease } = await leaseOne(jobs, submitter);
    const completed = await jobs.complete(submitter, lease, { exitCode: 0, error: "" });
    const reordered = { ...request, environment: { B: "2", A: "1" }, metadata: { y: "2", x: "1" } };
    expect(await jobs.enqueue(caller("again", "other"), reordered)).toEqual(completed);
    expect(completed.id).toBe(id);
  });

  it("M9: refuses the key for any other job", async () => {
    const { jobs } = fixture;
    const submitter = caller("other", "sam");
    await jobs.enqueue(submitter, jobRequest({ idempotencyKey: "k" }));
    for (const change of [
      { command: "printf" },
      { args: ["other"] },
      { args: ["hello", ""] },
      { environment: { A: "1" } },
      { workingDirectory: "/" },
      { timeout: { seconds: 1n } },
      { metadata: { a: "b" } },
      { queue: "elsewhere" },
      { maxAttempts: 7 },
    ]) {
      await expect(jobs.enqueue(submitter, jobRequest({ idempotencyKey: "k", ...change }))).rejects.toMatchObject({
        code: "ERR_JOB_KEY_REUSED",
      });
    }
  });

  it("M9: keeps the keys of organisations apart, and takes any text for a key", async () => {
    const { jobs } = fixture;
    const key = "k\0'\";--";
    const one = await jobs.enqueue(caller("org-a"), jobRequest({ idempotencyKey: key }));
    const two = await jobs.enqueue(caller("org-b"), jobRequest({ idempotencyKey: key, command: "other" }));
    expect(two.id).not.toBe(one.id);
    expect(two.orgId).toBe("org-b");
  });

  it("stores equal jobs without a key one by one", async () => {
    const { jobs } = fixture;
    const first = await jobs.enqueue(caller("plain"), jobRequest());
    expect((await jobs.enqueue(caller("plain"), jobRequest())).id).not.toBe(first.id);
  });

  it("refuses a text with a NUL, naming the field, and a job that is too large", async () => {
    const { jobs } = fixture;
    for (const { field, request } of [
      { field: "command", request: jobRequest({ command: "a\0b" }) },
      { field: "args", request: jobRequest({ args: ["a", "\0"] }) },
      { field: "environment", request: jobRequest({ environment: { A: "\0" } }) },
      { field: "working_directory", request: jobRequest({ workingDirectory: "/\0" }) },
    ]) {
      await expect(jobs.enqueue(caller("nul"), request)).rejects.toMatchObject({
        code: "ERR_JOB_INVALID",
        message: `${field} must not contain NUL`,
      });
    }
    await expect(jobs.enqueue(caller("nul"), jobRequest({ args: ["x".repeat(1000)] }))).rejects.toMatchObject({
      code: "ERR_JOB_LIMIT",
    });
    expect((await jobs.list(caller("nul"), { queue: "", state: 0, pageSize: 0, pageToken: "" })).jobs).toHaveLength(0);
  });

  it("writes the job and its place in the queue both or neither", async () => {
    const { jobs, database } = fixture;
    await jobs.enqueue(caller("atomic"), jobRequest());
    // A queue that pg-boss has lost since: the ticket is refused, and the job with it.
    await database.query("DELETE FROM latchkey_boss.job WHERE name = 'atomic/default'");
    await database.query("DELETE FROM latchkey_boss.queue WHERE name = 'atomic/default'");
    await expect(jobs.enqueue(caller("atomic"), jobRequest())).rejects.toThrow("did not store the ticket");
    const { rows } = await database.query("SELECT 1 FROM job WHERE org_id = 'atomic'");
    expect(rows).toHaveLength(1);
  });
});
