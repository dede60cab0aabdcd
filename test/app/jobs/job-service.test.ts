import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type Transport,
} from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  type DequeueJobsResponse,
  JobEventService,
  JobService,
  JobState,
  type Lease,
  OutputStream,
} from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { registerJobServices } from "../../../src/app/jobs/register-job-services.js";
import { principalKey } from "../../../src/server/principal-key.js";
import { createManualClock } from "../../../src/testing/manual-clock.js";
import type { Principal } from "../../../src/token/principal.js";
import { type JobsFixture, openJobsFixture } from "../../support/jobs-fixture.js";
import { createPrincipal } from "../../support/principals.js";

const UNKNOWN_ID = "00000000-0000-4000-8000-000000000000";
const command = { queue: "default", command: "echo", args: ["hello"] };

describe("registerJobServices()", () => {
  let fixture: JobsFixture;
  beforeAll(async () => {
    fixture = await openJobsFixture({ clock: createManualClock() });
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  interface Clients {
    readonly jobs: Client<typeof JobService>;
    readonly events: Client<typeof JobEventService>;
  }

  /** Clients whose every call is one of the principal; undefined: of nobody. */
  function connect(
    overrides: Partial<Principal> | undefined,
    { jobs } = fixture,
    shutdownSignal?: AbortSignal,
  ): Clients {
    const caller = overrides === undefined ? undefined : createPrincipal(overrides);
    const transport: Transport = createRouterTransport(
      (router) => registerJobServices(router, { jobs, ...(shutdownSignal === undefined ? {} : { shutdownSignal }) }),
      {
        router: {
          interceptors: [
            (next) => (request) => {
              request.contextValues.set(principalKey, caller);
              return next(request);
            },
          ],
        },
      },
    );
    return { jobs: createClient(JobService, transport), events: createClient(JobEventService, transport) };
  }

  /** Leases over a stream that stays open, as a worker does. */
  function openStream({ jobs }: Clients, orgId: string, options: { readonly signal?: AbortSignal } = {}) {
    const stream = jobs.dequeueJobs({ orgId, queue: "default", maxLeases: 1 }, options)[Symbol.asyncIterator]();
    return async (): Promise<{ readonly id: string; readonly lease: Lease }> => {
      const { value } = await stream.next();
      const { job, lease } = value as DequeueJobsResponse;
      if (job === undefined || lease === undefined) throw new Error("incomplete response");
      // The worker waits for the next one at once, which shows that this one has arrived.
      stream.next().catch(() => {});
      return { id: job.id, lease };
    };
  }

  async function refusal(call: Promise<unknown>): Promise<ConnectError> {
    return ConnectError.from(
      await call.then(
        () => new Error("answered"),
        (error: unknown) => error,
      ),
    );
  }

  it("takes a job from enqueue to its result, with its events", async () => {
    const sam = connect({ org: "flow", principalId: "sam" });
    const wanda = connect({ org: "flow", principalId: "wanda" });
    const { job } = await sam.jobs.enqueueJob({ ...command, orgId: "flow" });
    expect(job).toMatchObject({ orgId: "flow", submittedBy: "sam", state: JobState.SCHEDULED });
    const followed: string[] = [];
    const following = (async () => {
      for await (const { item } of sam.events.streamJobEvents({ jobId: job?.id ?? "" })) {
        followed.push(item.case === "event" ? `${item.value.sequence} ${item.value.event.case}` : String(item.case));
      }
    })();
    const { lease } = await openStream(wanda, "flow")();
    const { lastSequence } = await wanda.events.publishJobEvents(
      (async function* () {
        yield { orgId: "flow", lease, events: [{ event: { case: "processStarted" as const, value: { pid: 7 } } }] };
        const data = new TextEncoder().encode("hello\n");
        const output = { event: { case: "output" as const, value: { stream: OutputStream.STDOUT, data } } };
        yield { orgId: "flow", lease, events: [output, { event: { case: "processEnded" as const, value: {} } }] };
      })(),
    );
    expect(lastSequence).toBe(3n);
    const extended = await wanda.jobs.extendLease({ lease, leaseDuration: { seconds: 90n } });
    expect(extended.cancelled).toBe(false);
    expect(Number(extended.leaseExpiresAt?.seconds) * 1000 - Date.now()).toBeGreaterThan(80_000);
    const completed = await wanda.jobs.completeJob({ lease, result: { exitCode: 0 } });
    expect(completed.job?.state).toBe(JobState.COMPLETED);
    await following;
    expect(followed).toEqual(["1 processStarted", "2 output", "3 processEnded", "endedJob"]);
    expect((await sam.jobs.getJob({ jobId: lease.jobId })).job).toEqual(completed.job);
    expect((await sam.jobs.listJobs({ orgId: "flow" })).jobs).toEqual([completed.job]);
  });

  it("releases and cancels, and tells the worker of it", async () => {
    const sam = connect({ org: "cancel", principalId: "sam" });
    const { job } = await sam.jobs.enqueueJob({ ...command, orgId: "cancel" });
    const next = openStream(sam, "cancel");
    const first = await next();
    const released = await sam.jobs.releaseJob({ lease: first.lease });
    expect(released.job).toMatchObject({ state: JobState.SCHEDULED, attempt: 0 });
    await vi.waitFor(async () => {
      expect((await sam.jobs.getJob({ jobId: first.id })).job?.state).toBe(JobState.RUNNING);
    });
    expect((await sam.jobs.cancelJob({ jobId: job?.id ?? "" })).job?.state).toBe(JobState.RUNNING);
    const other = connect({ org: "cancel", principalId: "eve" });
    expect((await refusal(other.jobs.cancelJob({ jobId: first.id }))).code).toBe(Code.PermissionDenied);
  });

  it("answers a call without a verified caller, or of one without an organisation, before it looks at anything", async () => {
    const calls = ({ jobs, events }: Clients): Promise<unknown>[] => [
      jobs.getJob({ jobId: UNKNOWN_ID }),
      jobs.enqueueJob({ ...command, orgId: "acme" }),
      jobs.listJobs({ orgId: "acme" }),
      jobs.dequeueJobs({ orgId: "acme", queue: "default" })[Symbol.asyncIterator]().next(),
      events.streamJobEvents({ jobId: UNKNOWN_ID })[Symbol.asyncIterator]().next(),
      events.publishJobEvents((async function* () {})()),
    ];
    for (const call of calls(connect(undefined))) expect((await refusal(call)).code).toBe(Code.Unauthenticated);
    for (const overrides of [
      { org: undefined },
      { org: "" },
      { org: "a/b" },
      { org: "a\0" },
      { principalId: "a\0b" },
      { principalId: "" },
    ]) {
      for (const call of calls(connect(overrides))) expect((await refusal(call)).code).toBe(Code.PermissionDenied);
    }
  });

  it("M1: answers for another organisation's job and for none with the same bytes", async () => {
    const owner = connect({ org: "owner" });
    const stranger = connect({ org: "stranger", roles: new Set(["admin"]) });
    await owner.jobs.enqueueJob({ ...command, orgId: "owner" });
    const { id, lease } = await openStream(owner, "owner")();
    for (const call of [
      (jobId: string) => stranger.jobs.getJob({ jobId }),
      (jobId: string) => stranger.jobs.cancelJob({ jobId }),
      (jobId: string) => stranger.jobs.extendLease({ lease: { ...lease, jobId } }),
      (jobId: string) => stranger.jobs.releaseJob({ lease: { ...lease, jobId } }),
      (jobId: string) => stranger.jobs.completeJob({ lease: { ...lease, jobId }, result: {} }),
      (jobId: string) => stranger.events.streamJobEvents({ jobId })[Symbol.asyncIterator]().next(),
      (jobId: string) =>
        stranger.events.publishJobEvents(
          (async function* () {
            yield { orgId: "stranger", lease: { ...lease, jobId }, events: [] };
          })(),
        ),
    ]) {
      const [existing, unknown] = await Promise.all([refusal(call(id)), refusal(call(UNKNOWN_ID))]);
      expect(existing.code).toBe(Code.NotFound);
      const wire = (error: ConnectError): string =>
        JSON.stringify([error.code, error.rawMessage, error.details, [...error.metadata]]);
      expect(wire(existing)).toBe(wire(unknown));
    }
  });

  it("M4: answers a lease that is not held any more with failed_precondition", async () => {
    const wanda = connect({ org: "stale" });
    await wanda.jobs.enqueueJob({ ...command, orgId: "stale" });
    const { lease } = await openStream(wanda, "stale")();
    await wanda.jobs.completeJob({ lease, result: { exitCode: 1 } });
    for (const call of [
      wanda.jobs.extendLease({ lease }),
      wanda.jobs.releaseJob({ lease }),
      wanda.jobs.completeJob({ lease, result: { exitCode: 0 } }),
      wanda.events.publishJobEvents(
        (async function* () {
          yield { orgId: "stale", lease, events: [{ event: { case: "heartbeat" as const, value: {} } }] };
        })(),
      ),
    ]) {
      expect((await refusal(call)).code).toBe(Code.FailedPrecondition);
    }
  });

  it("names the field of a request that cannot be used", async () => {
    const sam = connect({ org: "bad" });
    for (const [call, field] of [
      [sam.jobs.listJobs({ orgId: "bad", pageToken: "tampered" }), "page_token"],
      [sam.jobs.extendLease({}), "lease"],
      [sam.jobs.completeJob({ lease: { jobId: UNKNOWN_ID, attempt: 1, token: new Uint8Array(16) } }), "result"],
      [sam.jobs.enqueueJob({ ...command, orgId: "bad", command: "\0" }), "command"],
    ] as const) {
      const error = await refusal(call);
      expect(error.code).toBe(Code.InvalidArgument);
      expect(error.rawMessage).toContain(field);
    }
  });

  it("M9: answers a reused idempotency key with already_exists", async () => {
    const sam = connect({ org: "keys" });
    await sam.jobs.enqueueJob({ ...command, orgId: "keys", idempotencyKey: "k" });
    const error = await refusal(sam.jobs.enqueueJob({ ...command, orgId: "keys", idempotencyKey: "k", command: "x" }));
    expect(error.code).toBe(Code.AlreadyExists);
  });

  it("M12: leaves the caller's token out of everything it writes to disk", async () => {
    const sam = connect({ org: "secret" });
    const token = "eyJhbGciOiJFUzI1NiJ9.c2VjcmV0LWNsYWltcw.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";
    const headers = { authorization: `Bearer ${token}` };
    const marker = "a-marker-that-is-stored";
    await sam.jobs.enqueueJob({ ...command, orgId: "secret", metadata: { marker } }, { headers });
    await fixture.database.query("CHECKPOINT");
    const entries = await readdir(fixture.dataDir, { recursive: true, withFileTypes: true });
    const contents = await Promise.all(
      entries.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name), "latin1")),
    );
    // The search does find what is there.
    expect(contents.some((content) => content.includes(marker))).toBe(true);
    for (const part of token.split(".")) expect(contents.some((content) => content.includes(part))).toBe(false);
  });

  it("ends a stream of jobs in order before the token of its worker expires", async () => {
    const clock = createManualClock();
    await using own = await openJobsFixture({ clock });
    const sam = connect({ org: "expiring", expiresAtMs: Date.now() + 100_000 }, own);
    const stream = sam.jobs.dequeueJobs({ orgId: "expiring", queue: "default" })[Symbol.asyncIterator]();
    const next = stream.next();
    await sam.jobs.enqueueJob({ ...command, orgId: "expiring" });
    expect((await next).done).toBe(false);
    const last = stream.next();
    await own.database.query("SELECT 1");
    await clock.advance(80_000);
    expect((await last).done).toBe(true);
  });

  it("ends its streams when the server shuts down: those of workers quietly, those of readers as unavailable", async () => {
    await using own = await openJobsFixture({ clock: createManualClock() });
    const shutdown = new AbortController();
    const sam = connect({ org: "drain" }, own, shutdown.signal);
    const { job } = await sam.jobs.enqueueJob({ ...command, orgId: "drain" });
    const dequeuing = sam.jobs.dequeueJobs({ orgId: "drain", queue: "empty" })[Symbol.asyncIterator]().next();
    const following = sam.events
      .streamJobEvents({ jobId: job?.id ?? "" })
      [Symbol.asyncIterator]()
      .next();
    shutdown.abort();
    expect((await dequeuing).done).toBe(true);
    expect((await refusal(following)).code).toBe(Code.Unavailable);
    const late = connect({ org: "drain" }, own, shutdown.signal);
    expect((await late.jobs.dequeueJobs({ orgId: "drain", queue: "empty" })[Symbol.asyncIterator]().next()).done).toBe(
      true,
    );
  });

  it("M14: answers with unavailable and a fixed text when the database cannot be used", async () => {
    const own = await openJobsFixture({ clock: createManualClock() });
    const sam = connect({ org: "closed" }, own);
    await own.database.close();
    for (const call of [
      sam.jobs.enqueueJob({ ...command, orgId: "closed" }),
      sam.jobs.getJob({ jobId: UNKNOWN_ID }),
      sam.jobs.dequeueJobs({ orgId: "closed", queue: "default" })[Symbol.asyncIterator]().next(),
    ]) {
      const error = await refusal(call);
      expect(error.code).toBe(Code.Unavailable);
      expect(error.rawMessage).toBe("the job store is unavailable");
    }
    await own[Symbol.asyncDispose]();
  });
});
