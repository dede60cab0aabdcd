import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JobState } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Caller } from "../../../src/app/jobs/caller.js";
import { formatPageToken, loadPageTokenKey } from "../../../src/app/jobs/page-token.js";
import { createManualClock } from "../../../src/testing/manual-clock.js";
import { caller, type JobsFixture, jobRequest, leaseOne, openJobsFixture } from "../../support/jobs-fixture.js";

const everything = { queue: "", state: JobState.UNSPECIFIED, pageSize: 0, pageToken: "" };

describe("listJobs()", () => {
  let fixture: JobsFixture;
  beforeAll(async () => {
    fixture = await openJobsFixture({ clock: createManualClock(), limits: { maxJobBytes: 8 * 1024 * 1024 } });
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  async function enqueue(by: Caller, count: number): Promise<string[]> {
    const ids: string[] = [];
    for (let index = 0; index < count; index++) ids.unshift((await fixture.jobs.enqueue(by, jobRequest())).id);
    return ids;
  }
  /** The ids on each page. */
  async function pages(by: Caller, request: Partial<typeof everything> = {}): Promise<string[][]> {
    const found: string[][] = [];
    let pageToken = "";
    do {
      const page = await fixture.jobs.list(by, { ...everything, ...request, pageToken });
      found.push(page.jobs.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return found;
  }

  it("gives an empty page, and no next one, when there are none", async () => {
    expect(await fixture.jobs.list(caller("nobody"), everything)).toEqual({ jobs: [], nextPageToken: "" });
  });

  it("has no page after one that is exactly full", async () => {
    const sam = caller("full");
    const ids = await enqueue(sam, 4);
    expect(await pages(sam, { pageSize: 2 })).toEqual([ids.slice(0, 2), ids.slice(2)]);
    expect(await pages(sam, { pageSize: 4 })).toEqual([ids]);
  });

  it("gives 50 jobs unless asked for another number", async () => {
    const sam = caller("fifty");
    await enqueue(sam, 51);
    expect((await pages(sam)).map(({ length }) => length)).toEqual([50, 1]);
  });

  it("gets on though a single job is larger than a page may be", async () => {
    const sam = caller("giant");
    const args = Array.from({ length: 4 }, () => "x".repeat(800_000));
    for (const each of [["small"], args, args, ["small"]]) await fixture.jobs.enqueue(sam, jobRequest({ args: each }));
    expect((await pages(sam)).map(({ length }) => length)).toEqual([2, 1, 1]);
  });

  it("tells instants a microsecond apart, those before the epoch too", async () => {
    const sam = caller("micros");
    const ids = await enqueue(sam, 6);
    const instants = [
      "2026-01-01 00:00:00.000003+00",
      "2026-01-01 00:00:00.000002+00",
      "2026-01-01 00:00:00+00",
    ].concat(["1969-12-31 23:59:59.999999+00", "1969-12-31 23:59:59.999998+00", "0001-01-01 00:00:00.000001+00"]);
    for (const [index, id] of ids.entries()) {
      await fixture.database.query("UPDATE job SET created_at = $2::text::timestamptz WHERE id = $1", [
        id,
        instants[index],
      ]);
    }
    expect(await pages(sam, { pageSize: 1 })).toEqual(ids.map((id) => [id]));
  });

  it("goes on where it stopped though the job it stopped at has left the listing", async () => {
    const sam = caller("moving");
    const ids = await enqueue(sam, 3);
    const request = { ...everything, state: JobState.SCHEDULED, pageSize: 2 };
    const { nextPageToken } = await fixture.jobs.list(sam, request);
    await fixture.jobs.cancel(sam, ids[1] ?? "");
    const { jobs } = await fixture.jobs.list(sam, { ...request, pageToken: nextPageToken });
    expect(jobs.map(({ id }) => id)).toEqual(ids.slice(2));
  });

  it("lists the jobs of one state and queue, whatever happens to the others", async () => {
    const sam = caller("narrow");
    await fixture.jobs.enqueue(sam, jobRequest({ queue: "a" }));
    const waiting = await fixture.jobs.enqueue(sam, jobRequest({ queue: "a" }));
    await fixture.jobs.enqueue(sam, jobRequest({ queue: "A" }));
    await leaseOne(fixture.jobs, sam, "a");
    expect(await pages(sam, { queue: "a", state: JobState.SCHEDULED })).toEqual([[waiting.id]]);
  });

  it("M2: is continued by another server on the database, for all of them have the key that was made first", async () => {
    const { database, jobs } = fixture;
    const keys = await Promise.all(Array.from({ length: 5 }, () => loadPageTokenKey(database)));
    expect(new Set(keys.map((key) => Buffer.from(key).toString("hex"))).size).toBe(1);
    const [key = new Uint8Array()] = keys;
    expect(key).toHaveLength(32);
    const sam = caller("servers");
    const [newest = "", oldest] = await enqueue(sam, 2);
    const { rows } = await database.query<{ micros: string }>(
      "SELECT (extract(epoch FROM created_at) * 1000000)::bigint::text AS micros FROM job WHERE id = $1",
      [newest],
    );
    const scope = { org: "servers", queue: "", state: JobState.UNSPECIFIED };
    const pageToken = formatPageToken(key, scope, { createdAtMicros: BigInt(rows[0]?.micros ?? ""), jobId: newest });
    expect((await jobs.list(sam, { ...everything, pageToken })).jobs.map(({ id }) => id)).toEqual([oldest]);
    expect((await jobs.list(sam, { ...everything, pageSize: 1 })).nextPageToken).toBe(pageToken);
  });
});
