import { createHash, randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lease, LeaseSchema } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import type { Caller } from "../../../src/app/jobs/caller.js";
import { assertJobId, createLeaseToken, lockLeasedJob, toLease } from "../../../src/app/jobs/lease.js";
import { createManualClock } from "../../../src/testing/manual-clock.js";
import {
  caller,
  expireLease,
  type JobsFixture,
  jobRequest,
  leaseOne,
  openJobsFixture,
} from "../../support/jobs-fixture.js";

describe("createLeaseToken()", () => {
  it("M12: makes 128 bits anew each time, and the digest that is stored of them", () => {
    const tokens = Array.from({ length: 100 }, () => createLeaseToken());
    expect(new Set(tokens.map(({ token }) => Buffer.from(token).toString("hex"))).size).toBe(100);
    for (const { token, hash } of tokens) {
      expect(token).toHaveLength(16);
      expect(Buffer.from(hash)).toEqual(createHash("sha256").update(token).digest());
    }
  });
});

describe("toLease()", () => {
  it("keeps a copy of the token", () => {
    const { token } = createLeaseToken();
    const before = Uint8Array.from(token);
    const lease = toLease("id", 2, token);
    token.fill(0);
    expect(lease).toMatchObject({ jobId: "id", attempt: 2, token: before });
  });
});

describe("assertJobId()", () => {
  it("takes an identifier in either case", () => {
    const id = randomUUID();
    for (const known of [id, id.toUpperCase()]) expect(() => assertJobId(known)).not.toThrow();
  });

  it.each([
    "",
    "1",
    randomUUID().replaceAll("-", ""),
    `{${randomUUID()}}`,
    `${randomUUID()}\n`,
    `g${randomUUID().slice(1)}`,
  ])("M1: answers for %j as for a job that does not exist", (id) => {
    expect(() => assertJobId(id)).toThrow(expect.objectContaining({ code: "ERR_JOB_NOT_FOUND" }));
  });
});

describe("lockLeasedJob()", () => {
  const worker = caller("locks", "wanda");
  let fixture: JobsFixture;
  beforeAll(async () => {
    fixture = await openJobsFixture({ clock: createManualClock() });
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  async function leased(): Promise<Lease> {
    await fixture.jobs.enqueue(worker, jobRequest());
    return (await leaseOne(fixture.jobs, worker)).lease;
  }
  const lock = async (
    lease: Lease,
    by: Caller = worker,
  ): Promise<{ readonly held: boolean; readonly known: boolean }> => {
    const { held, known } = await fixture.database.transaction((transaction) => lockLeasedJob(transaction, by, lease));
    return { held, known };
  };

  it("holds the lease that was given, whoever of the organisation presents it, until it runs out", async () => {
    const lease = await leased();
    expect(await lock(lease)).toEqual({ held: true, known: true });
    expect(await lock(lease, caller("locks", "walter"))).toEqual({ held: true, known: true });
    expect(await lock({ ...lease, jobId: lease.jobId.toUpperCase() })).toEqual({ held: true, known: true });
    await expireLease(fixture.database, lease.jobId);
    expect(await lock(lease)).toEqual({ held: false, known: true });
  });

  it("C9: calls a token of any length, and one that differs in any bit, unknown alike", async () => {
    const lease = await leased();
    const flips = Array.from({ length: 128 }, (_, bit) => {
      const token = lease.token.slice();
      token[bit >> 3] = (token[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      return token;
    });
    const lengths = [0, 1, 15, 17, 32, 1_000].map((length) => {
      const token = new Uint8Array(length);
      token.set(lease.token.subarray(0, length));
      return token;
    });
    for (const token of [...flips, ...lengths]) {
      expect(await lock(create(LeaseSchema, { ...lease, token }))).toEqual({ held: false, known: false });
    }
    expect(await lock(lease)).toEqual({ held: true, known: true });
  });

  it("knows no lease by its digest, which the database holds", async () => {
    const lease = await leased();
    const { rows } = await fixture.database.query<{ lease_hash: Uint8Array<ArrayBuffer> }>(
      "SELECT lease_hash FROM job WHERE id = $1",
      [lease.jobId],
    );
    const token = rows[0]?.lease_hash ?? new Uint8Array();
    expect(token).toHaveLength(32);
    expect(await lock({ ...lease, token })).toEqual({ held: false, known: false });
  });

  it.each([0, -1, 2, 2_147_483_647])("M4: does not know the right token with attempt %i", async (attempt) => {
    expect(await lock({ ...(await leased()), attempt })).toEqual({ held: false, known: false });
  });

  it("M4: knows no lease of a job that never had one", async () => {
    const { id } = await fixture.jobs.enqueue(caller("idle"), jobRequest());
    const lease = toLease(id, 0, new Uint8Array(16));
    expect(await lock(lease, caller("idle"))).toEqual({ held: false, known: false });
  });

  it("M1: finds no job of another organisation, whatever the lease", async () => {
    const lease = await leased();
    for (const org of ["Locks", "locks ", "lock", ""]) {
      await expect(lock(lease, caller(org))).rejects.toMatchObject({ code: "ERR_JOB_NOT_FOUND" });
    }
  });
});
