import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { JobState } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { LeasedJob } from "../../../src/app/jobs/lease-next-job.js";
import { createManualClock } from "../../../src/testing/manual-clock.js";
import {
  caller,
  expireLease,
  type JobsFixture,
  jobRequest,
  leaseOne,
  openJobsFixture,
} from "../../support/jobs-fixture.js";

describe("dequeueJobs()", () => {
  const clock = createManualClock();
  let fixture: JobsFixture;
  beforeAll(async () => {
    fixture = await openJobsFixture({ clock });
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  /** Whether a promise is settled once the database has answered everything it was asked. */
  async function isSettled(promise: Promise<unknown>): Promise<boolean> {
    let settled = false;
    promise.then(
      () => {
        settled = true;
      },
      () => {
        settled = true;
      },
    );
    for (let round = 0; round < 20; round++) await fixture.database.query("SELECT 1");
    return settled;
  }

  it("waits for a job and hands it out when it is enqueued, without a poll", async () => {
    const { jobs } = fixture;
    const worker = caller("wait", "wanda");
    const stream = jobs.dequeue(worker, { queue: "default", signal: new AbortController().signal });
    const next = stream.next();
    expect(await isSettled(next)).toBe(false);
    await jobs.enqueue(caller("wait"), jobRequest({ queue: "other" }));
    expect(await isSettled(next)).toBe(false);
    const { id } = await jobs.enqueue(caller("wait"), jobRequest());
    expect((await next).value).toMatchObject({ job: { id } });
  });

  it("looks for itself every poll interval, should an announcement be lost", async () => {
    const { jobs, database } = fixture;
    const worker = caller("poll", "wanda");
    const { id } = await jobs.enqueue(worker, jobRequest());
    // Not due yet, and nobody announces that it is.
    await database.query("UPDATE latchkey_boss.job SET start_after = now() + interval '1 hour' WHERE name = $1", [
      "poll/default",
    ]);
    const next = jobs.dequeue(worker, { queue: "default", signal: new AbortController().signal }).next();
    expect(await isSettled(next)).toBe(false);
    await database.query("UPDATE latchkey_boss.job SET start_after = now() WHERE name = $1", ["poll/default"]);
    await clock.advance(2000);
    expect((await next).value).toMatchObject({ job: { id } });
  });

  it("holds at most as many leases as asked for; each way a lease ends makes place for another", async () => {
    const { jobs, database } = fixture;
    const worker = caller("slots", "wanda");
    const ids: string[] = [];
    for (let index = 0; index < 7; index++) ids.push((await jobs.enqueue(worker, jobRequest())).id);
    const stream = jobs.dequeue(worker, { queue: "default", maxLeases: 2, signal: new AbortController().signal });
    const take = async (): Promise<LeasedJob> => {
      const { value } = await stream.next();
      if (value === undefined) throw new Error("the stream ended");
      return value;
    };
    const first = await take();
    const second = await take();
    let next = take();
    expect(await isSettled(next)).toBe(false);
    await jobs.complete(worker, first.lease, { exitCode: 0, error: "" });
    const third = await next;

    next = take();
    expect(await isSettled(next)).toBe(false);
    await jobs.release(worker, second.lease);
    // The released job is the next one, and nobody else wants it.
    const again = await next;
    expect(again.job.id).toBe(second.job.id);

    next = take();
    expect(await isSettled(next)).toBe(false);
    await jobs.cancel(worker, third.job.id);
    await jobs.extend(worker, third.lease);
    const fourth = await next;

    next = take();
    expect(await isSettled(next)).toBe(false);
    await expireLease(database, fourth.job.id);
    await jobs.requeueExpired();
    expect((await next).job.id).toBe(ids[4]);
  });

  it("ends promptly, with the signal's reason, when the worker is gone", async () => {
    const { jobs } = fixture;
    const worker = new AbortController();
    const next = jobs.dequeue(caller("gone"), { queue: "default", signal: worker.signal }).next();
    expect(await isSettled(next)).toBe(false);
    worker.abort(new Error("gone"));
    await expect(next).rejects.toThrow("gone");
    const late = jobs.dequeue(caller("gone"), { queue: "default", signal: worker.signal }).next();
    await expect(late).rejects.toThrow("gone");
  });

  it("gives a job back at once that was leased and never delivered", async () => {
    const { jobs } = fixture;
    const { id } = await jobs.enqueue(caller("undelivered"), jobRequest());
    const worker = new AbortController();
    const stream = jobs.dequeue(caller("undelivered"), { queue: "default", signal: worker.signal });
    expect((await stream.next()).value).toMatchObject({ job: { id } });
    // The transport has lost its peer and neither pulls nor returns.
    worker.abort();
    await vi.waitFor(async () => {
      expect(await jobs.get(caller("undelivered"), id)).toMatchObject({ state: JobState.SCHEDULED, attempt: 0 });
    });
  });

  it("gives a job back that the transport returned at, and keeps one that was followed by a pull", async () => {
    const { jobs } = fixture;
    const worker = caller("returned", "wanda");
    const delivered = await jobs.enqueue(worker, jobRequest());
    const offered = await jobs.enqueue(worker, jobRequest());
    const stream = jobs.dequeue(worker, { queue: "default", maxLeases: 5, signal: new AbortController().signal });
    await stream.next();
    await stream.next();
    await stream.return();
    expect((await jobs.get(worker, delivered.id)).state).toBe(JobState.RUNNING);
    expect((await jobs.get(worker, offered.id)).state).toBe(JobState.SCHEDULED);
  });

  it("wakes the waiting of another stream for a job that came back", async () => {
    const { jobs } = fixture;
    const worker = caller("handover", "wanda");
    await jobs.enqueue(worker, jobRequest());
    const { lease } = await leaseOne(jobs, worker);
    const next = leaseOne(jobs, caller("handover", "walter"));
    expect(await isSettled(next)).toBe(false);
    await jobs.release(worker, lease);
    expect((await next).job.id).toBe(lease.jobId);
  });

  it("ends in order when its time is over, and gives back what is being leased at that moment", async () => {
    const { jobs, database } = fixture;
    const worker = caller("timed", "wanda");
    const { signal } = new AbortController();
    const idle = jobs.dequeue(worker, { queue: "default", endAfterMs: 60_000, signal }).next();
    expect(await isSettled(idle)).toBe(false);
    await clock.advance(60_000);
    expect(await idle).toEqual({ done: true, value: undefined });

    const { id } = await jobs.enqueue(worker, jobRequest());
    const stream = jobs.dequeue(worker, { queue: "default", endAfterMs: 60_000, signal });
    let leasing: Promise<unknown> | undefined;
    // Its one connection is taken: the lease has to wait until the time is over.
    await database.transaction(async () => {
      leasing = stream.next();
      await clock.advance(60_000);
    });
    expect(await leasing).toEqual({ done: true, value: undefined });
    expect(await jobs.get(worker, id)).toMatchObject({ state: JobState.SCHEDULED, attempt: 0 });
  });

  it("ends without an error when the service drains, while other operations go on", async () => {
    await using own = await openJobsFixture({ clock });
    const worker = caller("drain", "wanda");
    const stream = own.jobs.dequeue(worker, { queue: "default", signal: new AbortController().signal });
    const next = stream.next();
    for (let round = 0; round < 20; round++) await own.database.query("SELECT 1");
    own.jobs.drain();
    expect(await next).toEqual({ done: true, value: undefined });
    const { id } = await own.jobs.enqueue(worker, jobRequest());
    expect((await own.jobs.get(worker, id)).state).toBe(JobState.SCHEDULED);
  });
});
