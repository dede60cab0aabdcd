import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CredentialService } from "#gen/latchkey/credentials/v1/credentials_pb.js";
import { type DequeueJobsResponse, JobEventService, JobService, JobState } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { type RunningServer, startServer } from "../../src/app/server/start-server.js";
import { bearerAuth } from "../../src/client/bearer-auth.js";
import { signedJwt } from "../../src/client/signed-jwt.js";
import type { Credential } from "../../src/keys/credential.js";
import { openCredentialStore } from "../../src/keys/node-credential-store.js";
import { silentLog } from "../support/running-server.js";

const databaseUrl = new URL(process.env["DATABASE_URL"] ?? "postgres://postgres@127.0.0.1:5432/test");

interface Clients {
  readonly jobs: Client<typeof JobService>;
  readonly events: Client<typeof JobEventService>;
  readonly credentials: Client<typeof CredentialService>;
}

describe("two servers on one PostgreSQL database", () => {
  const name = `latchkey_test_${randomBytes(4).toString("hex")}`;
  const resources = new AsyncDisposableStack();
  const servers: RunningServer[] = [];
  let directory: string;

  beforeAll(async () => {
    const admin = new pg.Client(databaseUrl.href);
    await admin.connect();
    resources.defer(() => admin.end());
    await admin.query(`CREATE DATABASE ${name}`);
    resources.defer(async () => void (await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)));
    directory = await mkdtemp(join(tmpdir(), "latchkey-test-"));
    resources.defer(() => rm(directory, { recursive: true, force: true }));
    const store = openCredentialStore(join(directory, "credentials"));
    for (const [credential, role] of [
      ["root", "admin"],
      ["sam", "submitter"],
      ["wanda", "worker"],
      ["leaver", "worker"],
    ] as const) {
      await store.create({ name: credential, orgId: "acme", roles: [role] });
    }
    const own = new URL(databaseUrl);
    own.pathname = `/${name}`;
    const firstOrg = {
      name: "acme",
      admin: async () => ({ publicKeyPem: await store.publicKeyPem("root"), name: "root", principalId: undefined }),
      recorded: async () => {},
    };
    // At the same moment, on an empty database, as an orchestrator does: they wait for each other.
    servers.push(
      ...(await Promise.all(
        [0, 1].map((index) =>
          startServer({
            databaseUrl: own.href,
            keysDir: join(directory, `keys-${index}`),
            port: 0,
            firstOrg,
            streamRecheckSeconds: 0.5,
            log: silentLog(),
          }),
        ),
      )),
    );
    for (const server of servers) resources.defer(() => server.close());
    const { credentials } = await connect(0, "root");
    for (const credential of ["sam", "wanda", "leaver"]) {
      const { roles } = await store.get(credential);
      const publicKeyPem = await store.publicKeyPem(credential);
      await credentials.importCredential({ orgId: "acme", name: credential, publicKeyPem, roles: [...roles] });
    }
  });
  afterAll(() => resources.disposeAsync());

  /** Clients of a server whose tokens a credential signs. */
  async function connect(server: number, credential: string): Promise<Clients> {
    const key = await openCredentialStore(join(directory, "credentials")).signingKey(credential);
    const transport = createConnectTransport({
      baseUrl: servers[server]?.url ?? "",
      httpVersion: "1.1",
      interceptors: [bearerAuth(signedJwt({ key, issuer: "latchkey-cli", audience: "latchkey" }))],
    });
    return {
      jobs: createClient(JobService, transport),
      events: createClient(JobEventService, transport),
      credentials: createClient(CredentialService, transport),
    };
  }

  function getCredential(credential: string): Promise<Credential> {
    return openCredentialStore(join(directory, "credentials")).get(credential);
  }

  it("executes through one server what was enqueued on the other, and refuses a lease that was given back on both", async () => {
    const sam = await connect(0, "sam");
    const wanda = await connect(1, "wanda");
    const stream = new AbortController();
    const waiting = wanda.jobs
      .dequeueJobs({ orgId: "acme", queue: "default" }, { signal: stream.signal })
      [Symbol.asyncIterator]()
      .next();
    const { job } = await sam.jobs.enqueueJob({ orgId: "acme", queue: "default", command: "echo", args: ["hello"] });
    const jobId = job?.id ?? "";
    const { lease } = (await waiting).value as DequeueJobsResponse;
    if (lease === undefined) throw new Error("no lease");
    expect(lease.jobId).toBe(jobId);

    // What a worker does through one server, the next call through the other one sees.
    const through = await connect(0, "wanda");
    await through.jobs.extendLease({ lease });
    const following = sam.events.streamJobEvents({ jobId })[Symbol.asyncIterator]();
    const seen = following.next();
    await wanda.events.publishJobEvents(
      (async function* () {
        yield { orgId: "acme", lease, events: [{ event: { case: "heartbeat", value: {} } as const }] };
      })(),
    );
    expect((await seen).value?.item).toMatchObject({ case: "event", value: { sequence: 1n } });

    // Its place on the stream would be taken by the same job again.
    stream.abort();
    await wanda.jobs.releaseJob({ lease });
    const again = (await through.jobs.dequeueJobs({ orgId: "acme", queue: "default" })[Symbol.asyncIterator]().next())
      .value as DequeueJobsResponse;
    expect(again.lease).toMatchObject({ jobId, attempt: lease.attempt });
    for (const { jobs } of [wanda, through]) {
      await expect(jobs.completeJob({ lease, result: { exitCode: 0 } })).rejects.toMatchObject({
        code: Code.FailedPrecondition,
      });
    }
    if (again.lease === undefined) throw new Error("no lease");
    await wanda.jobs.completeJob({ lease: again.lease, result: { exitCode: 7 } });
    expect((await following.next()).value?.item).toMatchObject({
      case: "endedJob",
      value: { state: JobState.FAILED, result: { exitCode: 7 } },
    });
  });

  it("E12: refuses through one server a credential that was revoked on the other, though it has just called", async () => {
    const sam = await connect(1, "sam");
    await sam.jobs.listJobs({ orgId: "acme" });
    const { fingerprint } = await getCredential("sam");
    const here = await connect(0, "sam");
    const startedMs = performance.now();
    await (await connect(0, "root")).credentials.revokeCredential({ fingerprint });
    await expect(here.jobs.listJobs({ orgId: "acme" })).rejects.toMatchObject({ code: Code.Unauthenticated });
    // Where it was revoked, the next call; on the other, when the notice has come. Without one, after 5 s.
    let refusal: unknown;
    while (refusal === undefined) {
      refusal = await sam.jobs.listJobs({ orgId: "acme" }).then(
        () => undefined,
        (error: unknown) => error,
      );
    }
    expect(ConnectError.from(refusal).code).toBe(Code.Unauthenticated);
    expect(performance.now() - startedMs).toBeLessThan(3_000);
  });

  it("E12: ends streams on one server whose credential is revoked on the other, and no others", async () => {
    const queue = "revocation";
    const wait = async (server: number, credential: string) => {
      const { jobs } = await connect(server, credential);
      return jobs.dequeueJobs({ orgId: "acme", queue })[Symbol.asyncIterator]();
    };
    const { jobs } = await connect(0, "root");
    // Streams that have begun: each has been given a job.
    const [leaver, wanda] = [await wait(1, "leaver"), await wait(1, "wanda")];
    const first = [leaver.next(), wanda.next()] as const;
    for (const _ of first) await jobs.enqueueJob({ orgId: "acme", queue, command: "true" });
    const deliveries = await Promise.all(first);
    const stays = wanda.next();
    const ends = leaver.next().then(
      () => undefined,
      (error: unknown) => ConnectError.from(error),
    );
    const { fingerprint } = await getCredential("leaver");
    await (await connect(0, "root")).credentials.revokeCredential({ fingerprint });
    const revokedMs = performance.now();
    expect((await ends)?.code).toBe(Code.Unauthenticated);
    // What the other server has in its cache is forgotten when the notice comes; without one, after 5 s.
    expect(performance.now() - revokedMs).toBeLessThan(3_000);
    const lease = deliveries[1].value?.lease;
    if (lease === undefined) throw new Error("no lease");
    await (await connect(0, "wanda")).jobs.completeJob({ lease, result: { exitCode: 0 } });
    const { job } = await jobs.enqueueJob({ orgId: "acme", queue, command: "true" });
    expect((await stays).value?.job?.id).toBe(job?.id);
  });
});
