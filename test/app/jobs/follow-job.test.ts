import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type JobEvent, JobEventSchema, OutputStream } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { JobNews } from "../../../src/app/jobs/follow-job.js";
import type { EventBatch } from "../../../src/app/jobs/publish-events.js";
import { createManualClock } from "../../../src/testing/manual-clock.js";
import {
  caller,
  expireLease,
  type JobsFixture,
  jobRequest,
  leaseOne,
  openJobsFixture,
} from "../../support/jobs-fixture.js";

function output(text: string, sequence = 0n): JobEvent {
  const data = new TextEncoder().encode(text);
  return create(JobEventSchema, {
    sequence,
    timestamp: { seconds: 5n, nanos: 6 },
    event: { case: "output", value: { stream: OutputStream.STDERR, data } },
  });
}

const unnumbered = (events: readonly JobEvent[]): EventBatch => ({ events, firstPosition: 0n });

describe("followJob()", () => {
  const clock = createManualClock();
  const worker = caller("events", "wanda");
  let fixture: JobsFixture;
  beforeAll(async () => {
    fixture = await openJobsFixture({ clock, limits: { maxEvents: 200, maxEventBytes: 5000 } });
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  async function collect(news: AsyncIterable<JobNews>): Promise<(bigint | string)[]> {
    const seen: (bigint | string)[] = [];
    for await (const each of news) seen.push("event" in each ? each.event.sequence : each.endedJob.id);
    return seen;
  }
  const never = new AbortController().signal;

  it("replays what is stored, follows what comes, and ends with the ended job", async () => {
    const { jobs } = fixture;
    const { id } = await jobs.enqueue(worker, jobRequest());
    const { lease } = await leaseOne(jobs, worker);
    expect(await jobs.publish(worker, lease, unnumbered([output("a", 99n), output("b")]))).toBe(2n);
    const news = jobs.follow(worker, id.toUpperCase(), { afterSequence: 0n, signal: never });
    const first = await news.next();
    expect(first.value).toEqual({ event: output("a", 1n) });
    await news.next();
    const third = news.next();
    expect(await jobs.publish(worker, lease, unnumbered([output("c")]))).toBe(3n);
    expect((await third).value).toEqual({ event: output("c", 3n) });
    const last = news.next();
    const completed = await jobs.complete(worker, lease, { exitCode: 0, error: "" });
    expect((await last).value).toEqual({ endedJob: completed });
    expect((await news.next()).done).toBe(true);
  });

  it("goes on after the last event that was seen, also of a job that has ended", async () => {
    const { jobs } = fixture;
    const { id } = await jobs.enqueue(worker, jobRequest());
    const { lease } = await leaseOne(jobs, worker);
    for (let index = 0; index < 150; index += 50) {
      await jobs.publish(worker, lease, unnumbered(Array.from({ length: 50 }, () => output("x"))));
    }
    await jobs.complete(worker, lease, { exitCode: 0, error: "" });
    const all = Array.from({ length: 150 }, (_, index) => BigInt(index + 1));
    expect(await collect(jobs.follow(worker, id, { afterSequence: 0n, signal: never }))).toEqual([...all, id]);
    expect(await collect(jobs.follow(worker, id, { afterSequence: 100n, signal: never }))).toEqual([
      ...all.slice(100),
      id,
    ]);
    expect(await collect(jobs.follow(worker, id, { afterSequence: 2n ** 62n, signal: never }))).toEqual([id]);
  });

  it("numbers the events of publishers that write at once without a gap", async () => {
    const { jobs } = fixture;
    const { id } = await jobs.enqueue(worker, jobRequest());
    const { lease } = await leaseOne(jobs, worker);
    const following = collect(jobs.follow(worker, id, { afterSequence: 0n, signal: never }));
    await Promise.all(
      Array.from({ length: 30 }, () => jobs.publish(worker, lease, unnumbered([output("x"), output("y")]))),
    );
    await jobs.complete(worker, lease, { exitCode: 0, error: "" });
    expect(await following).toEqual([...Array.from({ length: 60 }, (_, index) => BigInt(index + 1)), id]);
  });

  it("stores numbered events once, however often and in whatever cut they are sent again", async () => {
    const { jobs, database } = fixture;
    const { id } = await jobs.enqueue(worker, jobRequest());
    const { lease: lost } = await leaseOne(jobs, worker);
    const batch = (texts: string, firstPosition: bigint): EventBatch => ({
      events: Array.from(texts, (text) => output(text)),
      firstPosition,
    });
    expect(await jobs.publish(worker, lost, batch("ab", 1n))).toBe(2n);
    expect(await jobs.publish(worker, lost, batch("ab", 1n))).toBe(2n);
    expect(await jobs.publish(worker, lost, batch("bcd", 2n))).toBe(4n);
    expect(await jobs.publish(worker, lost, batch("a", 1n))).toBe(4n);
    expect(await jobs.publish(worker, lost, batch("e", 5n))).toBe(5n);
    await expireLease(database, id);
    await jobs.requeueExpired();
    await database.query("UPDATE latchkey_boss.job SET start_after = now()");
    const { lease } = await leaseOne(jobs, worker);
    // Another execution counts from 1 again.
    expect(await jobs.publish(worker, lease, batch("f", 1n))).toBe(6n);
    await jobs.complete(worker, lease, { exitCode: 0, error: "" });
    let text = "";
    for await (const news of jobs.follow(worker, id, { afterSequence: 0n, signal: never })) {
      if ("event" in news && news.event.event.case === "output") {
        text += new TextDecoder().decode(news.event.event.value.data);
      }
    }
    expect(text).toBe("abcdef");
  });

  it("stores no event under a lease that has run out, and goes on numbering under the next one", async () => {
    const { jobs, database } = fixture;
    const { id } = await jobs.enqueue(worker, jobRequest());
    const { lease: lost } = await leaseOne(jobs, worker);
    await jobs.publish(worker, lost, unnumbered([output("a")]));
    await expireLease(database, id);
    await expect(jobs.publish(worker, lost, unnumbered([output("b")]))).rejects.toMatchObject({
      code: "ERR_LEASE_NOT_HELD",
    });
    await jobs.requeueExpired();
    await database.query("UPDATE latchkey_boss.job SET start_after = now()");
    const { lease } = await leaseOne(jobs, worker);
    expect(await jobs.publish(worker, lease, unnumbered([output("c")]))).toBe(2n);
    await jobs.complete(worker, lease, { exitCode: 0, error: "" });
    await expect(jobs.publish(worker, lease, unnumbered([output("d")]))).rejects.toMatchObject({
      code: "ERR_LEASE_NOT_HELD",
    });
    expect(await collect(jobs.follow(worker, id, { afterSequence: 0n, signal: never }))).toEqual([1n, 2n, id]);
  });

  it("stores all or none of a batch that would exceed what a job may have", async () => {
    const { jobs } = fixture;
    await jobs.enqueue(worker, jobRequest());
    const { lease } = await leaseOne(jobs, worker);
    const tooMany = Array.from({ length: 201 }, () =>
      create(JobEventSchema, { event: { case: "heartbeat", value: {} } }),
    );
    await expect(jobs.publish(worker, lease, unnumbered(tooMany))).rejects.toMatchObject({ code: "ERR_JOB_LIMIT" });
    await expect(jobs.publish(worker, lease, unnumbered([output("x".repeat(5000))]))).rejects.toMatchObject({
      code: "ERR_JOB_LIMIT",
    });
    expect(await jobs.publish(worker, lease, unnumbered([output("x")]))).toBe(1n);
  });

  it("fails with the signal's reason when the reader is gone, and as unavailable when the service ends", async () => {
    await using own = await openJobsFixture({ clock });
    const { id } = await own.jobs.enqueue(worker, jobRequest());
    const reader = new AbortController();
    const gone = own.jobs.follow(worker, id, { afterSequence: 0n, signal: reader.signal }).next();
    const left = own.jobs.follow(worker, id, { afterSequence: 0n, signal: never }).next();
    reader.abort(new Error("gone"));
    await expect(gone).rejects.toThrow("gone");
    own.jobs.drain();
    await expect(left).rejects.toMatchObject({ code: "ERR_JOBS_CLOSING" });
  });
});
