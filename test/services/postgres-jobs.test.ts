import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { JobState } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Database } from "../../src/app/database/database.js";
import { openDatabase } from "../../src/app/database/open-database.js";
import { createJobs, type Jobs } from "../../src/app/jobs/jobs.js";
import { caller, expireLease, jobRequest, leaseOne } from "../support/jobs-fixture.js";

const databaseUrl = process.env["DATABASE_URL"] ?? "postgres://postgres@127.0.0.1:5432/test";

describe("jobs on PostgreSQL, with two servers side by side", () => {
  const schema = `latchkey_test_${randomBytes(4).toString("hex")}`;
  const databases: Database[] = [];
  const servers: Jobs[] = [];

  beforeAll(async () => {
    // At the same moment, on an empty database: they wait for each other.
    databases.push(...(await Promise.all([0, 1].map(() => openDatabase({ databaseUrl, schema })))));
    servers.push(
      ...(await Promise.all(databases.map((database) => createJobs({ database, limits: { firstRetryDelayMs: 1 } })))),
    );
  });
  afterAll(async () => {
    for (const jobs of servers) await jobs[Symbol.asyncDispose]();
    await databases[0]?.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
    await databases[0]?.query(`DROP SCHEMA IF EXISTS ${schema}_boss CASCADE`);
    for (const database of databases) await database.close();
  });

  function server(index: number): Jobs {
    const jobs = servers[index % 2];
    if (jobs === undefined) throw new Error("not started");
    return jobs;
  }
  function databaseOf(index: number): Database {
    const database = databases[index % 2];
    if (database === undefined) throw new Error("not started");
    return database;
  }

  it("takes a job that one server stored from the other, which hears of it at once", async () => {
    const worker = caller("pair", "wanda");
    const next = leaseOne(server(1), worker);
    const { id } = await server(0).enqueue(worker, jobRequest());
    const { job, lease } = await next;
    expect(job.id).toBe(id);
    const following = server(0).follow(worker, id, { afterSequence: 0n, signal: new AbortController().signal }).next();
    const completed = await server(1).complete(worker, lease, { exitCode: 0, error: "" });
    expect((await following).value).toEqual({ endedJob: completed });
  });

  it("M9: gives 100 parallel calls on both servers with one idempotency key one job", async () => {
    const request = jobRequest({ idempotencyKey: "k" });
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => server(index).enqueue(caller("parallel"), request)),
    );
    expect(new Set(answers.map((job) => job.id)).size).toBe(1);
  });

  it("M11: leases 300 jobs to 20 workers of both servers, each job to one of them", async () => {
    await Promise.all(Array.from({ length: 300 }, (_, index) => server(index).enqueue(caller("crowd"), jobRequest())));
    const taken: string[] = [];
    const done = new AbortController();
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const jobs = server(index);
        const worker = caller("crowd", `worker-${index}`);
        try {
          for await (const { job, lease } of jobs.dequeue(worker, {
            queue: "default",
            maxLeases: 2,
            signal: done.signal,
          })) {
            taken.push(job.id);
            await jobs.complete(worker, lease, { exitCode: 0, error: "" });
            if (taken.length === 300) done.abort();
          }
        } catch (error) {
          if (!done.signal.aborted) throw error;
        }
      }),
    );
    expect(taken).toHaveLength(300);
    expect(new Set(taken).size).toBe(300);
  });

  it("M4: lets the clock of the database decide, and shares the work of taking back between servers", async () => {
    const worker = caller("expire", "wanda");
    const ids: string[] = [];
    for (let index = 0; index < 60; index++) ids.push((await server(index).enqueue(worker, jobRequest())).id);
    const leases = await Promise.all(ids.map(() => leaseOne(server(0), worker)));
    for (const id of ids) await expireLease(databaseOf(0), id);
    const first = leases[0];
    if (first === undefined) throw new Error("no lease");
    await expect(server(1).extend(worker, first.lease)).rejects.toMatchObject({ code: "ERR_LEASE_NOT_HELD" });
    await Promise.all([server(0).requeueExpired(), server(1).requeueExpired()]);
    // The sweep of either server may have been there before.
    await vi.waitFor(async () => {
      const states = await Promise.all(ids.map(async (id) => (await server(1).get(worker, id)).state));
      expect(states.every((state) => state === JobState.SCHEDULED)).toBe(true);
    });
    const again = await Promise.all(ids.map((_, index) => leaseOne(server(index), worker)));
    expect(new Set(again.map(({ job }) => job.id)).size).toBe(60);
    expect(again.every(({ job }) => job.attempt === 2)).toBe(true);
  });

  it("cancels while others lease, without a deadlock", async () => {
    const worker = caller("race", "wanda");
    const ids = await Promise.all(
      Array.from({ length: 60 }, async () => (await server(0).enqueue(worker, jobRequest())).id),
    );
    const done = new AbortController();
    const leased: string[] = [];
    const workers = Array.from({ length: 6 }, async (_, index) => {
      const jobs = server(index);
      try {
        for await (const { job, lease } of jobs.dequeue(worker, { queue: "default", signal: done.signal })) {
          leased.push(job.id);
          await jobs.complete(worker, lease, { exitCode: 0, error: "" });
        }
      } catch (error) {
        if (!done.signal.aborted) throw error;
      }
    });
    await Promise.all(ids.map((id, index) => server(index).cancel(worker, id)));
    await vi.waitFor(async () => {
      const states = await Promise.all(ids.map(async (id) => (await server(0).get(worker, id)).state));
      expect(states.every((state) => state === JobState.COMPLETED || state === JobState.CANCELLED)).toBe(true);
      expect(states.filter((state) => state === JobState.COMPLETED)).toHaveLength(leased.length);
    });
    done.abort();
    await Promise.all(workers);
  });

  it("goes on listening when its connection to the database is cut", async () => {
    const worker = caller("cut", "wanda");
    const next = leaseOne(server(1), worker);
    const admin = new pg.Client(databaseUrl);
    await admin.connect();
    const { rowCount } = await admin.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'latchkey' AND query LIKE 'LISTEN%' AND query LIKE $1",
      [`%${schema}%`],
    );
    await admin.end();
    expect(rowCount).toBe(2);
    const { id } = await server(0).enqueue(worker, jobRequest());
    expect((await next).job.id).toBe(id);
    // And by notification again, once it is back: the second server's streams would poll only every two seconds.
    await vi.waitFor(async () => {
      const startedMs = performance.now();
      const waiting = leaseOne(server(1), worker);
      await server(0).enqueue(worker, jobRequest());
      await waiting;
      expect(performance.now() - startedMs).toBeLessThan(1000);
    }, 10_000);
  });

  it("M7: waits for the disk before it answers, also on a server that is set not to", async () => {
    const url = new URL(databaseUrl);
    url.searchParams.set("options", "-c synchronous_commit=off");
    const database = await openDatabase({ databaseUrl: url.href, schema });
    const { rows } = await database.query<{ mode: string }>("SELECT current_setting('synchronous_commit') AS mode");
    await database.close();
    expect(rows).toEqual([{ mode: "on" }]);
  });

  it("refuses a schema that holds something else, and changes nothing in it", async () => {
    const foreign = `${schema}_foreign`;
    const admin = new pg.Client(databaseUrl);
    await admin.connect();
    try {
      await admin.query(`CREATE SCHEMA ${foreign}`);
      await admin.query(`CREATE TABLE ${foreign}.thesis (page int)`);
      await expect(openDatabase({ databaseUrl, schema: foreign })).rejects.toMatchObject({
        code: "ERR_CONFIG_INVALID",
      });
      const { rows } = await admin.query("SELECT tablename FROM pg_tables WHERE schemaname = $1", [foreign]);
      expect(rows).toEqual([{ tablename: "thesis" }]);
    } finally {
      await admin.query(`DROP SCHEMA IF EXISTS ${foreign} CASCADE`);
      await admin.end();
    }
  });
});
