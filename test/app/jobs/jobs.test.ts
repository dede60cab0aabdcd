import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobState, LeaseSchema } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { JobError } from "../../../src/app/jobs/job-errors.js";
import { createJobs } from "../../../src/app/jobs/jobs.js";
import { createManualClock } from "../../../src/testing/manual-clock.js";
import {
  caller,
  expireLease,
  type JobsFixture,
  jobRequest,
  leaseOne,
  openJobsFixture,
} from "../../support/jobs-fixture.js";

describe("createJobs()", () => {
  // The sweep stands still; tests call it. The delay after a lost lease is too short to be noticed.
  const clock = createManualClock();
  let fixture: JobsFixture;
  beforeAll(async () => {
    fixture = await openJobsFixture({ clock, limits: { firstRetryDelayMs: 1, longestRetryDelayMs: 1 } });
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  it("takes a job from enqueue to its result", async () => {
    const { jobs } = fixture;
    const submitter = caller("flow", "sam", "submitter");
    const worker = caller("flow", "wanda", "worker");
    const enqueued = await jobs.enqueue(
      submitter,
      jobRequest({
        environment: { B: "2", A: "1" },
        workingDirectory: "/tmp",
        timeout: { seconds: 5n },
        metadata: { k: "v" },
      }),
    );
    expect(enqueued).toMatchObject({
      orgId: "flow",
      queue: "default",
      command: "echo",
      args: ["hello"],
      environment: { A: "1", B: "2" },
      workingDirectory: "/tmp",
      metadata: { k: "v" },
      state: JobState.SCHEDULED,
      attempt: 0,
      submittedBy: "sam",
    });
    expect(enqueued.result).toBeUndefined();
    expect(enqueued.timeout?.seconds).toBe(5n);
    const leased = await leaseOne(jobs, worker);
    expect(leased.job).toMatchObject({ id: enqueued.id, state: JobState.RUNNING, attempt: 1 });
    expect(leased.lease).toMatchObject({ jobId: enqueued.id, attempt: 1 });
    expect(leased.lease.token).toHaveLength(16);
    const completed = await jobs.complete(worker, leased.lease, { exitCode: 0, error: "" });
    expect(completed).toMatchObject({ state: JobState.COMPLETED, result: { exitCode: 0, error: "" } });
    expect(completed.endedAt).toBeDefined();
    expect(await jobs.get(submitter, enqueued.id)).toEqual(completed);
    const { rows } = await fixture.database.query("SELECT 1 FROM latchkey_boss.job WHERE name = 'flow/default'");
    expect(rows).toHaveLength(0);
  });

  it("records a job that ended with another exit code or an error as failed", async () => {
    const { jobs } = fixture;
    const worker = caller("fail", "wanda");
    for (const result of [
      { exitCode: 3, error: "" },
      { exitCode: undefined, error: "no such \0 program" },
      { exitCode: 0, error: "killed" },
    ]) {
      await jobs.enqueue(worker, jobRequest());
      const { lease } = await leaseOne(jobs, worker);
      const job = await jobs.complete(worker, lease, result);
      expect(job.state).toBe(JobState.FAILED);
      expect(job.result?.exitCode).toBe(result.exitCode);
      expect(job.result?.error).toBe(result.error.replace("\0", "\uFFFD"));
    }
  });

  it("hands out jobs in the order they were enqueued, and a released one first", async () => {
    const { jobs } = fixture;
    const worker = caller("order", "wanda");
    const ids: string[] = [];
    for (let index = 0; index < 4; index++) ids.push((await jobs.enqueue(worker, jobRequest())).id);
    const first = await leaseOne(jobs, worker);
    expect(first.job.id).toBe(ids[0]);
    const released = await jobs.release(worker, first.lease);
    expect(released).toMatchObject({ state: JobState.SCHEDULED, attempt: 0 });
    const order: string[] = [];
    for (let index = 0; index < 4; index++) order.push((await leaseOne(jobs, worker)).job.id);
    expect(order).toEqual(ids);
  });

  it("does not count a released attempt against the attempts a job has", async () => {
    const { jobs, database } = fixture;
    const worker = caller("release", "wanda");
    const { id } = await jobs.enqueue(worker, jobRequest({ maxAttempts: 1 }));
    for (let round = 0; round < 4; round++) {
      const { lease, job } = await leaseOne(jobs, worker);
      expect(job.attempt).toBe(1);
      await jobs.release(worker, lease);
    }
    await leaseOne(jobs, worker);
    await expireLease(database, id);
    expect(await jobs.requeueExpired()).toBe(1);
    expect((await jobs.get(worker, id)).state).toBe(JobState.FAILED);
  });

  it("refuses every use of a lease that was released, though the next lease has the same attempt", async () => {
    const { jobs } = fixture;
    const worker = caller("fence", "wanda");
    await jobs.enqueue(worker, jobRequest());
    const { lease: old } = await leaseOne(jobs, worker);
    await jobs.release(worker, old);
    const { lease: current } = await leaseOne(jobs, worker);
    expect(current.attempt).toBe(old.attempt);
    for (const use of [
      () => jobs.release(worker, old),
      () => jobs.extend(worker, old),
      () => jobs.complete(worker, old, { exitCode: 0, error: "" }),
      () => jobs.publish(worker, old, { events: [], firstPosition: 0n }),
    ]) {
      await expect(use()).rejects.toMatchObject({ code: "ERR_LEASE_NOT_HELD" });
    }
    const wrongAttempt = create(LeaseSchema, { ...current, attempt: current.attempt + 1 });
    await expect(jobs.extend(worker, wrongAttempt)).rejects.toMatchObject({ code: "ERR_LEASE_NOT_HELD" });
    expect((await jobs.extend(worker, current)).expiresAt).toBeInstanceOf(Date);
  });

  it("extends a lease from now on", async () => {
    const { jobs } = fixture;
    const worker = caller("extend", "wanda");
    await jobs.enqueue(worker, jobRequest());
    const { lease, leaseExpiresAt } = await leaseOne(jobs, worker, "default", 1000);
    const { expiresAt } = await jobs.extend(worker, lease, 60_000);
    const gainedMs = (expiresAt?.getTime() ?? 0) - Number(leaseExpiresAt.seconds) * 1000;
    expect(gainedMs).toBeGreaterThan(57_000);
    expect(gainedMs).toBeLessThan(70_000);
  });

  it("M4: refuses a worker that wakes after its lease ran out, and keeps the result of the one that followed", async () => {
    const { jobs, database } = fixture;
    const worker = caller("zombie", "wanda");
    const { id } = await jobs.enqueue(worker, jobRequest());
    const { lease: zombie } = await leaseOne(jobs, worker);
    await expireLease(database, id);
    // Not yet taken back: the clock of the database decides already.
    await expect(jobs.extend(worker, zombie)).rejects.toMatchObject({ code: "ERR_LEASE_NOT_HELD" });
    await expect(jobs.complete(worker, zombie, { exitCode: 1, error: "" })).rejects.toMatchObject({
      code: "ERR_LEASE_NOT_HELD",
    });
    expect(await jobs.requeueExpired()).toBe(1);
    const { lease } = await leaseOne(jobs, caller("zombie", "walter"));
    expect(lease.attempt).toBe(2);
    const completed = await jobs.complete(worker, lease, { exitCode: 0, error: "" });
    await expect(jobs.complete(worker, zombie, { exitCode: 1, error: "" })).rejects.toMatchObject({
      code: "ERR_LEASE_NOT_HELD",
    });
    expect(await jobs.get(worker, id)).toEqual(completed);
  });

  it("M5: records one completion, however many calls report it", async () => {
    const { jobs } = fixture;
    const worker = caller("once", "wanda");
    await jobs.enqueue(worker, jobRequest());
    const { lease } = await leaseOne(jobs, worker);
    const results = Array.from({ length: 10 }, (_, exitCode) => exitCode);
    const answers = await Promise.allSettled(
      results.map((exitCode) => jobs.complete(worker, lease, { exitCode, error: "" })),
    );
    const recorded = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    expect(recorded).toHaveLength(1);
    expect(await jobs.get(worker, lease.jobId)).toEqual(recorded[0]);
  });

  it("M6: answers a repeated completion as before, and another result or lease with a refusal", async () => {
    const { jobs } = fixture;
    const worker = caller("repeat", "wanda");
    await jobs.enqueue(worker, jobRequest());
    const { lease } = await leaseOne(jobs, worker);
    const first = await jobs.complete(worker, lease, { exitCode: 7, error: "seven" });
    expect(await jobs.complete(worker, lease, { exitCode: 7, error: "seven" })).toEqual(first);
    const forged = create(LeaseSchema, { ...lease, token: new Uint8Array(16) });
    for (const [with_, result] of [
      [lease, { exitCode: 0, error: "" }],
      [lease, { exitCode: 7, error: "" }],
      [forged, { exitCode: 7, error: "seven" }],
    ] as const) {
      await expect(jobs.complete(worker, with_, result)).rejects.toMatchObject({ code: "ERR_LEASE_NOT_HELD" });
    }
    await expect(jobs.extend(worker, lease)).rejects.toMatchObject({ code: "ERR_LEASE_NOT_HELD" });
  });

  it("M8: gives up a job whose workers are lost, says so, and goes on with the others", async () => {
    const { jobs, database } = fixture;
    const worker = caller("poison", "wanda");
    const poison = await jobs.enqueue(worker, jobRequest());
    const other = await jobs.enqueue(worker, jobRequest());
    for (let attempt = 1; attempt <= 3; attempt++) {
      for (;;) {
        const leased = await leaseOne(jobs, worker);
        if (leased.job.id === other.id) {
          await jobs.complete(worker, leased.lease, { exitCode: 0, error: "" });
          continue;
        }
        expect(leased.job.attempt).toBe(attempt);
        break;
      }
      await expireLease(database, poison.id);
      expect(await jobs.requeueExpired()).toBe(1);
    }
    const failed = await jobs.get(worker, poison.id);
    expect(failed).toMatchObject({ state: JobState.FAILED, attempt: 3 });
    expect(failed.result?.exitCode).toBeUndefined();
    expect(failed.result?.error).toBe("given up after 3 attempts: the worker was lost before it reported a result");
    expect((await jobs.get(worker, other.id)).state).toBe(JobState.COMPLETED);
  });

  it("takes back expired leases by itself, every sweep interval", async () => {
    const { jobs, database } = fixture;
    const worker = caller("sweep", "wanda");
    const { id } = await jobs.enqueue(worker, jobRequest());
    await leaseOne(jobs, worker);
    await expireLease(database, id);
    const next = leaseOne(jobs, worker);
    await clock.advance(1000);
    expect((await next).job).toMatchObject({ id, attempt: 2 });
  });

  it("holds a job back for a while after each lost lease, longer each time", async () => {
    await using own = await openJobsFixture({
      clock,
      limits: { firstRetryDelayMs: 60_000, longestRetryDelayMs: 100_000 },
    });
    const worker = caller("delay", "wanda");
    const { id } = await own.jobs.enqueue(worker, jobRequest());
    const delays: number[] = [];
    for (let attempt = 1; attempt <= 2; attempt++) {
      await leaseOne(own.jobs, worker);
      await expireLease(own.database, id);
      await own.jobs.requeueExpired();
      const { rows } = await own.database.query<{ s: number }>(
        "SELECT extract(epoch FROM start_after - now())::float8 AS s FROM latchkey_boss.job",
      );
      delays.push(rows[0]?.s ?? 0);
      await own.database.query("UPDATE latchkey_boss.job SET start_after = now()");
    }
    expect(delays[0]).toBeGreaterThan(25);
    expect(delays[0]).toBeLessThan(61);
    expect(delays[1]).toBeGreaterThan(45);
    expect(delays[1]).toBeLessThan(101);
  });

  it("M12: stores nothing of a lease that would let a reader of the database use it", async () => {
    const { jobs, database } = fixture;
    const worker = caller("hashed", "wanda");
    await jobs.enqueue(worker, jobRequest());
    const { lease } = await leaseOne(jobs, worker);
    const { rows } = await database.query<{ lease_hash: Uint8Array }>("SELECT lease_hash FROM job WHERE id = $1", [
      lease.jobId,
    ]);
    expect(rows[0]?.lease_hash).toHaveLength(32);
    const { rows: found } = await database.query(
      "SELECT 1 FROM job WHERE position($1::bytea IN job::text::bytea) > 0",
      [Buffer.from(Buffer.from(lease.token).toString("hex"))],
    );
    expect(found).toHaveLength(0);
  });

  it("refuses limits that are not positive", async () => {
    const { database } = fixture;
    await expect(createJobs({ database, limits: { leaseMs: 0 } })).rejects.toThrow("limits.leaseMs");
    await expect(createJobs({ database, limits: { maxAttempts: 1.5 } })).rejects.toThrow("limits.maxAttempts");
  });

  it("refuses tables that a newer release wrote", async () => {
    const { database } = fixture;
    const { rows } = await database.query<{ version: number }>("SELECT version FROM latchkey_boss.version");
    const version = rows[0]?.version ?? 0;
    await database.query("UPDATE latchkey_boss.version SET version = $1", [version + 1]);
    await expect(createJobs({ database })).rejects.toMatchObject({ name: "ConfigError", code: "ERR_CONFIG_INVALID" });
    await database.query("UPDATE latchkey_boss.version SET version = $1", [version]);
    await database.query("UPDATE migration SET version = version + 1 WHERE room = 'jobs'");
    await expect(createJobs({ database })).rejects.toMatchObject({ name: "ConfigError", code: "ERR_CONFIG_INVALID" });
    await database.query("UPDATE migration SET version = version - 1 WHERE room = 'jobs'");
  });

  it("M14: answers with one error when the database is closed", async () => {
    const own = await openJobsFixture({ clock });
    const worker = caller("closed", "wanda");
    await own.database.close();
    const refused = await own.jobs.enqueue(worker, jobRequest()).catch((error: JobError) => error);
    expect(refused).toMatchObject({ name: "DatabaseUnavailableError" });
    await own[Symbol.asyncDispose]();
  });
});
