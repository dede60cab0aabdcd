import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DequeueJobsResponse, JobEventService, JobService, JobState } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { openCredentials } from "../../../src/app/cli/home.js";
import { bearerAuth } from "../../../src/client/bearer-auth.js";
import { signedJwt } from "../../../src/client/signed-jwt.js";
import { startCli } from "../../support/cli.js";
import { openServerFixture, type ServerFixture } from "../../support/running-server.js";

const RECHECK_MS = 300;
/** Without another look, streams would go on for as long as their tokens live: an hour. */
const SOON_MS = RECHECK_MS + 5_000;

describe("streams of a credential that is revoked", () => {
  let fixture: ServerFixture;

  beforeAll(async () => {
    fixture = await openServerFixture({ streamRecheckSeconds: RECHECK_MS / 1_000 });
    await fixture.addCredential("sam", "submitter");
  });
  afterAll(() => fixture[Symbol.asyncDispose]());

  interface Clients {
    readonly jobs: Client<typeof JobService>;
    readonly events: Client<typeof JobEventService>;
  }

  async function connectAs(name: string): Promise<Clients> {
    const key = await openCredentials(fixture.env).signingKey(name);
    const transport = createConnectTransport({
      baseUrl: fixture.server.url,
      httpVersion: "1.1",
      interceptors: [bearerAuth(signedJwt({ key, issuer: "latchkey-cli", audience: "latchkey" }))],
    });
    return { jobs: createClient(JobService, transport), events: createClient(JobEventService, transport) };
  }
  async function revoke(name: string): Promise<number> {
    expect(await fixture.cli("credentials", "revoke", name, "--as", "admin")).toMatchObject({ exitCode: 0 });
    return performance.now();
  }
  /** A script that runs until it is stopped. */
  const ENDLESS = ["--", process.execPath, "-e", "console.log(process.pid); setInterval(() => {}, 1_000)"] as const;

  async function submit(queue: string, ...command: readonly string[]): Promise<string> {
    const { stdout, stderr } = await fixture.cli("submit", "--credential", "sam", "--queue", queue, ...command);
    expect(stderr).toBe("");
    return stdout.trim();
  }

  it("E12: end within the time between two checks, and those of others go on", async () => {
    await fixture.addCredential("leaver", "submitter");
    await fixture.addCredential("wanda", "worker");
    const jobId = await submit("parked", "--", "true");
    const wanda = await connectAs("wanda");
    const held = await wanda.jobs.dequeueJobs({ orgId: "acme", queue: "parked" })[Symbol.asyncIterator]().next();
    const { lease } = held.value as DequeueJobsResponse;
    if (lease === undefined) throw new Error("no lease");
    const publish = () =>
      wanda.events.publishJobEvents(
        (async function* () {
          yield { orgId: "acme", lease, events: [{ event: { case: "heartbeat", value: {} } as const }] };
        })(),
      );
    const follow = async (name: string) =>
      (await connectAs(name)).events.streamJobEvents({ jobId })[Symbol.asyncIterator]();
    const [leaver, stayer] = [await follow("leaver"), await follow("sam")];
    await publish();
    for (const stream of [leaver, stayer]) expect((await stream.next()).value?.item.case).toBe("event");
    const [left, stayed] = [leaver.next(), stayer.next()];
    const leaving = left.then(
      () => undefined,
      (reason: unknown) => ConnectError.from(reason),
    );
    const revokedMs = await revoke("leaver");
    const error = await leaving;
    expect(performance.now() - revokedMs).toBeLessThan(SOON_MS);
    expect(error?.code).toBe(Code.Unauthenticated);
    expect(error?.metadata.get("www-authenticate")).toBe('Bearer realm="latchkey", error="invalid_token"');
    await publish();
    expect((await stayed).value?.item).toMatchObject({ case: "event", value: { sequence: 2n } });
  });

  it("E12: end `latchkey monitor` with a line that says why", async () => {
    await fixture.addCredential("watcher", "submitter");
    await fixture.addCredential("runner", "worker");
    const worker = startCli(["worker", "--credential", "runner", "--queue", "watched"], fixture.env);
    const jobId = await submit("watched", ...ENDLESS);
    const monitor = startCli(["monitor", "--credential", "watcher", jobId], fixture.env);
    await monitor.printed("\n");
    const revokedMs = await revoke("watcher");
    const { exitCode, stderr } = await monitor.result;
    expect(performance.now() - revokedMs).toBeLessThan(SOON_MS);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/refused the token of credential watcher: it may have been revoked/);
    worker.signal("SIGTERM");
    worker.signal("SIGTERM");
    await worker.result;
  });

  it("E12: end a worker, its program first, with a line that says why", async () => {
    await fixture.addCredential("fired", "worker");
    const worker = startCli(
      ["worker", "--credential", "fired", "--queue", "lost", "--lease-seconds", "600", "--stop-grace-seconds", "600"],
      fixture.env,
    );
    const jobId = await submit("lost", ...ENDLESS);
    const { events, jobs } = await connectAs("sam");
    const pid = await readOutput(events, jobId);
    expect(isAlive(pid)).toBe(true);
    const revokedMs = await revoke("fired");
    const { exitCode, stderr } = await worker.result;
    expect(performance.now() - revokedMs).toBeLessThan(2 * SOON_MS);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/refused the token of credential fired: it may have been revoked/);
    expect(isAlive(pid)).toBe(false);
    // What it did not give back, others get when the lease has run out.
    expect((await jobs.getJob({ jobId })).job?.state).toBe(JobState.RUNNING);
  });

  async function readOutput(events: Client<typeof JobEventService>, jobId: string): Promise<number> {
    for await (const { item } of events.streamJobEvents({ jobId })) {
      if (item.case === "event" && item.value.event.case === "output") {
        return Number(Buffer.from(item.value.event.value.data).toString());
      }
    }
    throw new Error("the job ended without output");
  }
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
