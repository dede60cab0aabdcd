import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobState } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { createManualClock } from "../../../src/testing/manual-clock.js";
import { caller, type JobsFixture, jobRequest, leaseOne, openJobsFixture } from "../../support/jobs-fixture.js";

const UNKNOWN_ID = "00000000-0000-4000-8000-000000000000";
const everything = { queue: "", state: JobState.UNSPECIFIED, pageSize: 0, pageToken: "" };

describe("jobs of several organisations", () => {
  let fixture: JobsFixture;
  beforeAll(async () => {
    fixture = await openJobsFixture({ clock: createManualClock() });
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  it("M1: answers every operation on another organisation's job like one on an unknown job", async () => {
    const { jobs } = fixture;
    const owner = caller("owner", "olga", "admin");
    const stranger = caller("stranger", "olga", "admin");
    const { id } = await jobs.enqueue(owner, jobRequest({ idempotencyKey: "key" }));
    const { lease } = await leaseOne(jobs, owner);
    const before = await jobs.get(owner, id);
    const { signal } = new AbortController();
    const operations: ((jobId: string) => Promise<unknown>)[] = [
      (jobId) => jobs.get(stranger, jobId),
      (jobId) => jobs.cancel(stranger, jobId),
      (jobId) => jobs.extend(stranger, { ...lease, jobId }),
      (jobId) => jobs.release(stranger, { ...lease, jobId }),
      (jobId) => jobs.complete(stranger, { ...lease, jobId }, { exitCode: 0, error: "" }),
      (jobId) => jobs.publish(stranger, { ...lease, jobId }, { events: [], firstPosition: 0n }),
      (jobId) => jobs.follow(stranger, jobId, { afterSequence: 0n, signal }).next(),
    ];
    for (const operation of operations) {
      const refusals = await Promise.all(
        [id, UNKNOWN_ID, "not a uuid"].map((jobId) =>
          operation(jobId).then(
            () => "answered",
            (error: Error) => error,
          ),
        ),
      );
      for (const refusal of refusals) {
        expect(refusal).toMatchObject({ name: "JobError", code: "ERR_JOB_NOT_FOUND", message: "job not found" });
      }
    }
    expect(await jobs.get(owner, id)).toEqual(before);
    // Neither does its idempotency key exist, nor is its queue the same one.
    expect((await jobs.enqueue(stranger, jobRequest({ idempotencyKey: "key", command: "x" }))).orgId).toBe("stranger");
    expect((await leaseOne(jobs, stranger)).job.orgId).toBe("stranger");
    expect((await jobs.list(stranger, everything)).jobs.map((job) => job.orgId)).toEqual(["stranger"]);
  });

  it("cancels a job for its submitter and for admins, and for nobody else", async () => {
    const { jobs } = fixture;
    const sam = caller("cancel", "sam", "submitter");
    const { id } = await jobs.enqueue(sam, jobRequest());
    await expect(jobs.cancel(caller("cancel", "eve", "submitter", "worker"), id)).rejects.toMatchObject({
      code: "ERR_JOB_NOT_YOURS",
    });
    const cancelled = await jobs.cancel(sam, id);
    expect(cancelled).toMatchObject({ state: JobState.CANCELLED });
    expect(cancelled.endedAt).toBeDefined();
    const other = await jobs.enqueue(sam, jobRequest());
    expect((await jobs.cancel(caller("cancel", "ada", "admin"), other.id)).state).toBe(JobState.CANCELLED);
    // Both are out of the queue: the next one leased is a new one.
    const { rows } = await fixture.database.query("SELECT 1 FROM latchkey_boss.job WHERE name = 'cancel/default'");
    expect(rows).toHaveLength(0);
    const next = await jobs.enqueue(sam, jobRequest());
    expect((await leaseOne(jobs, sam)).job.id).toBe(next.id);
    expect(await jobs.cancel(sam, id)).toEqual(cancelled);
  });

  it("leases no job that ended while it waited, though its place in the queue was left behind", async () => {
    const { jobs, database } = fixture;
    const sam = caller("stale", "sam");
    const ended = await jobs.enqueue(sam, jobRequest());
    const waiting = await jobs.enqueue(sam, jobRequest());
    // As if the server had been killed between the two steps of a cancellation.
    await database.query("UPDATE job SET state = 'cancelled', ended_at = now() WHERE id = $1", [ended.id]);
    expect((await leaseOne(jobs, sam)).job.id).toBe(waiting.id);
    expect((await jobs.get(sam, ended.id)).state).toBe(JobState.CANCELLED);
    const { rows } = await database.query("SELECT 1 FROM latchkey_boss.job WHERE name = 'stale/default'");
    expect(rows).toHaveLength(0);
  });

  it("tells the worker of a cancelled job when it extends, once and again, and ends the job then", async () => {
    const { jobs } = fixture;
    const sam = caller("running", "sam");
    const { id } = await jobs.enqueue(sam, jobRequest());
    const { lease } = await leaseOne(jobs, sam);
    expect((await jobs.cancel(sam, id)).state).toBe(JobState.RUNNING);
    expect(await jobs.extend(sam, lease)).toEqual({ expiresAt: undefined });
    expect((await jobs.get(sam, id)).state).toBe(JobState.CANCELLED);
    expect(await jobs.extend(sam, lease)).toEqual({ expiresAt: undefined });
    await expect(jobs.complete(sam, lease, { exitCode: 0, error: "" })).rejects.toMatchObject({
      code: "ERR_LEASE_NOT_HELD",
    });
  });

  it("cancels a job that is released after the cancellation, and keeps a result that comes after it", async () => {
    const { jobs } = fixture;
    const sam = caller("late", "sam");
    const released = await jobs.enqueue(sam, jobRequest());
    const first = await leaseOne(jobs, sam);
    await jobs.cancel(sam, released.id);
    expect((await jobs.release(sam, first.lease)).state).toBe(JobState.CANCELLED);
    const completed = await jobs.enqueue(sam, jobRequest());
    const second = await leaseOne(jobs, sam);
    await jobs.cancel(sam, completed.id);
    expect((await jobs.complete(sam, second.lease, { exitCode: 0, error: "" })).state).toBe(JobState.COMPLETED);
  });

  it("lists jobs newest first, page by page, without one twice or missing", async () => {
    const { jobs, database } = fixture;
    const sam = caller("pages", "sam");
    const ids: string[] = [];
    for (let index = 0; index < 7; index++) ids.unshift((await jobs.enqueue(sam, jobRequest())).id);
    // Some at the very same instant: the order among them is the same on every page all the same.
    await database.query(
      "UPDATE job SET created_at = (SELECT max(created_at) FROM job) WHERE org_id = 'pages' AND id = ANY($1::uuid[])",
      [ids.slice(0, 5)],
    );
    const seen: string[] = [];
    let pageToken = "";
    const sizes: number[] = [];
    do {
      const page = await jobs.list(sam, { ...everything, pageSize: 3, pageToken });
      sizes.push(page.jobs.length);
      seen.push(...page.jobs.map((job) => job.id));
      pageToken = page.nextPageToken;
      // What is enqueued meanwhile is on an earlier page.
      if (sizes.length === 1) await jobs.enqueue(sam, jobRequest());
    } while (pageToken !== "");
    expect(sizes).toEqual([3, 3, 1]);
    expect(new Set(seen)).toEqual(new Set(ids));
    expect(seen.slice(5)).toEqual(ids.slice(5));
  });

  it("filters a listing by queue and state, and clamps its page size", async () => {
    const { jobs } = fixture;
    const sam = caller("filter", "sam");
    await jobs.enqueue(sam, jobRequest({ queue: "a" }));
    const b = await jobs.enqueue(sam, jobRequest({ queue: "b" }));
    await leaseOne(jobs, sam, "a");
    const idsOf = async (request: Partial<typeof everything>): Promise<string[]> =>
      (await jobs.list(sam, { ...everything, ...request })).jobs.map((job) => job.id);
    expect(await idsOf({ queue: "b" })).toEqual([b.id]);
    expect(await idsOf({ state: JobState.SCHEDULED })).toEqual([b.id]);
    expect(await idsOf({ queue: "a", state: JobState.SCHEDULED })).toEqual([]);
    expect(await idsOf({ queue: "b", state: JobState.RUNNING })).toEqual([]);
    expect(await idsOf({ pageSize: 2_000_000_000 })).toHaveLength(2);
    expect(await idsOf({ pageSize: -1 })).toHaveLength(2);
  });

  it("ends a page early when its jobs are large", async () => {
    const { jobs } = fixture;
    const sam = caller("large", "sam");
    const args = Array.from({ length: 15 }, () => "x".repeat(65_000));
    for (let index = 0; index < 6; index++) await jobs.enqueue(sam, jobRequest({ args }));
    const first = await jobs.list(sam, everything);
    expect(first.jobs).toHaveLength(4);
    const second = await jobs.list(sam, { ...everything, pageToken: first.nextPageToken });
    expect(second.jobs).toHaveLength(2);
    expect(second.nextPageToken).toBe("");
  });

  it("M2: refuses a page token that was changed, or is of another organisation or listing", async () => {
    const { jobs } = fixture;
    const sam = caller("token", "sam");
    for (let index = 0; index < 3; index++) await jobs.enqueue(sam, jobRequest());
    await jobs.enqueue(caller("thief"), jobRequest());
    const { nextPageToken: token } = await jobs.list(sam, { ...everything, pageSize: 1 });
    expect((await jobs.list(sam, { ...everything, pageToken: token })).jobs).toHaveLength(2);
    const flipped = [...token].map((char, index) => (index === 3 ? (char === "A" ? "B" : "A") : char)).join("");
    for (const [by, request] of [
      [sam, { pageToken: flipped }],
      [sam, { pageToken: `${token}A` }],
      [sam, { pageToken: token.slice(0, -1) }],
      [sam, { pageToken: `${token}=` }],
      [sam, { pageToken: "garbage" }],
      [sam, { pageToken: token, queue: "default" }],
      [sam, { pageToken: token, state: JobState.SCHEDULED }],
      [caller("thief"), { pageToken: token }],
    ] as const) {
      await expect(jobs.list(by, { ...everything, ...request })).rejects.toMatchObject({
        code: "ERR_JOB_INVALID",
        message: expect.stringContaining("page_token"),
      });
    }
  });

  it("M11: leases 300 jobs to 20 workers, each job to one of them", async () => {
    const { jobs } = fixture;
    const sam = caller("crowd", "sam");
    await Promise.all(Array.from({ length: 300 }, () => jobs.enqueue(sam, jobRequest())));
    const taken: string[] = [];
    const done = new AbortController();
    const workers = Array.from({ length: 20 }, async (_, index) => {
      const worker = caller("crowd", `worker-${index}`);
      let count = 0;
      try {
        const stream = jobs.dequeue(worker, { queue: "default", maxLeases: 3, signal: done.signal });
        for await (const { job, lease } of stream) {
          taken.push(job.id);
          count++;
          await jobs.complete(worker, lease, { exitCode: 0, error: "" });
          if (taken.length === 300) done.abort();
        }
      } catch (error) {
        if (!done.signal.aborted) throw error;
      }
      return count;
    });
    const counts = await Promise.all(workers);
    expect(taken).toHaveLength(300);
    expect(new Set(taken).size).toBe(300);
    expect(counts.filter((count) => count > 0).length).toBeGreaterThan(10);
    const rest = await jobs.list(sam, { ...everything, state: JobState.COMPLETED, pageSize: 200 });
    expect(rest.jobs).toHaveLength(200);
    expect((await jobs.list(sam, { ...everything, state: JobState.RUNNING })).jobs).toHaveLength(0);
  });
});
