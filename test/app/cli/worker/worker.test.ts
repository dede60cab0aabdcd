import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it, vi } from "vitest";
import type { CompleteJobRequest, DequeueJobsResponse } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { runWorker, type WorkerOptions } from "../../../../src/app/cli/worker/worker.js";
import { aborted } from "../../../../src/lib/aborted.js";
import { away, connectJobClients, leaseNotHeld, makeDelivery, tokenExpired } from "../../../support/job-clients.js";

const node = (script: string): DequeueJobsResponse => makeDelivery(process.execPath, "-e", script);
const FOREVER = "setInterval(() => {}, 1000)";
/** A job that runs until it is told to end, and heeds SIGTERM like any program. */
const UNTIL_STOPPED = node.bind(undefined, FOREVER);

interface Script {
  /** Called for each stream of jobs, with its number from 1 on and what was asked. */
  readonly dequeue: (stream: number, maxLeases: number, signal: AbortSignal) => AsyncIterable<DequeueJobsResponse>;
  readonly extend?: () => { readonly cancelled?: boolean };
  readonly complete?: (attempt: number) => void;
  readonly publish?: () => void;
}

function setUp(script: Script, options: Partial<WorkerOptions> = {}) {
  const completed: CompleteJobRequest[] = [];
  const released: string[] = [];
  const published: string[] = [];
  const lines: string[] = [];
  const asked: number[] = [];
  let completions = 0;
  const { jobs, events } = connectJobClients({
    jobs: {
      async *dequeueJobs({ maxLeases }, context) {
        asked.push(maxLeases);
        yield* script.dequeue(asked.length, maxLeases, context.signal);
      },
      extendLease: () => script.extend?.() ?? {},
      completeJob(request) {
        script.complete?.(++completions);
        completed.push(request);
        return {};
      },
      releaseJob({ lease }) {
        released.push(lease?.jobId ?? "");
        return {};
      },
    },
    events: {
      async publishJobEvents(requests) {
        script.publish?.();
        for await (const request of requests) published.push(...request.events.map(({ event }) => event.case ?? ""));
        return {};
      },
    },
  });
  const stop = new AbortController();
  const kill = new AbortController();
  const note = (_fields: object, message: string): number => lines.push(message);
  const done = runWorker({
    jobs,
    events,
    orgId: "acme",
    queue: "default",
    concurrency: 1,
    leaseMs: 30_000,
    stopGraceMs: 60_000,
    environment: { PATH: process.env["PATH"] },
    streamLifetimeMs: async () => 60_000,
    stop: stop.signal,
    kill: kill.signal,
    log: { info: note, warn: note },
    ...options,
  });
  done.catch(() => {});
  return { done, stop, kill, completed, released, published, lines, asked };
}

/** A stream that gives these and then stays open. */
async function* deliver(signal: AbortSignal, ...deliveries: readonly DequeueJobsResponse[]) {
  yield* deliveries;
  await aborted(signal);
}

describe("runWorker()", () => {
  it("executes what it is given, reports how it ended, and stops when told to", async () => {
    const good = node("console.log(process.env.LATCHKEY_JOB_ID, process.env.LATCHKEY_JOB_ATTEMPT)");
    const bad = node("process.exit(3)");
    const missing = makeDelivery("/nowhere/program");
    const { done, stop, completed, published } = setUp(
      { dequeue: (_stream, _max, signal) => deliver(signal, good, bad, missing) },
      { concurrency: 3 },
    );
    await vi.waitFor(() => expect(completed).toHaveLength(3), 10_000);
    stop.abort();
    await done;
    const resultOf = ({ lease }: DequeueJobsResponse) =>
      completed.find((request) => request.lease?.jobId === lease?.jobId)?.result;
    expect(resultOf(good)).toMatchObject({ exitCode: 0, error: "" });
    expect(resultOf(bad)).toMatchObject({ exitCode: 3 });
    expect(resultOf(missing)).toMatchObject({ error: "cannot start: no such program or working directory" });
    expect(resultOf(missing)?.exitCode).toBeUndefined();
    expect(published.filter((event) => event === "processEnded")).toHaveLength(2);
    expect(published.filter((event) => event === "processFailed")).toHaveLength(1);
    expect(published.filter((event) => event === "output")).toHaveLength(1);
  });

  it("opens its stream again before the token expires, and leaves running jobs alone", async () => {
    const job = node("setTimeout(() => {}, 400)");
    const { done, stop, completed, asked } = setUp(
      { dequeue: (stream, _max, signal) => deliver(signal, ...(stream === 1 ? [job] : [])) },
      { concurrency: 2, streamLifetimeMs: async () => 100 },
    );
    await vi.waitFor(() => expect(completed).toHaveLength(1), 10_000);
    await vi.waitFor(() => expect(asked.at(-1)).toBe(2));
    stop.abort();
    await done;
    // With one job of the first stream still running, those after it may give one job only.
    expect(asked[0]).toBe(2);
    expect(asked[1]).toBe(1);
    expect(asked.at(-1)).toBe(2);
  });

  it("takes no second job while it is busy, whatever becomes of its stream", async () => {
    const job = node("setTimeout(() => {}, 300)");
    const { done, stop, completed, asked } = setUp(
      { dequeue: (stream, _max, signal) => deliver(signal, ...(stream === 1 ? [job] : [])) },
      { streamLifetimeMs: async () => 50 },
    );
    await vi.waitFor(() => expect(asked.length).toBeGreaterThan(1), 10_000);
    expect(completed).toHaveLength(1);
    stop.abort();
    await done;
  });

  it.each([
    ["the server goes away", away],
    ["a connection breaks", () => new ConnectError("reset", Code.Aborted)],
    ["the token expires", tokenExpired],
  ])("opens its stream again when %s", async (_name, failure) => {
    const { done, stop, completed } = setUp({
      async *dequeue(stream, _max, signal) {
        if (stream === 1) throw failure();
        yield* deliver(signal, node(""));
      },
    });
    await vi.waitFor(() => expect(completed).toHaveLength(1), 10_000);
    stop.abort();
    await done;
  });

  it("gives up when every token counts as expired as soon as it is used", async () => {
    const { done, asked } = setUp({
      dequeue() {
        throw tokenExpired();
      },
    });
    await expect(done).rejects.toMatchObject({ code: Code.Unauthenticated });
    expect(asked.length).toBeLessThan(6);
  });

  it("ends with the error, its jobs stopped, when the server refuses it for good", async () => {
    const { done, lines } = setUp({
      async *dequeue() {
        yield UNTIL_STOPPED();
        throw new ConnectError("revoked", Code.Unauthenticated);
      },
    });
    await expect(done).rejects.toMatchObject({ code: Code.Unauthenticated });
    expect(lines).toContain("job ended");
  });

  it("stops a job that was cancelled, and reports nothing more about it", async () => {
    const { done, stop, completed, lines } = setUp(
      { dequeue: (_stream, _max, signal) => deliver(signal, UNTIL_STOPPED()), extend: () => ({ cancelled: true }) },
      { leaseMs: 1_000 },
    );
    await vi.waitFor(() => expect(lines).toContain("job ended"), 10_000);
    stop.abort();
    await done;
    expect(completed).toEqual([]);
  });

  it("M4: stops a job whose lease it has lost, and reports nothing about it", async () => {
    const { done, stop, completed, released, lines } = setUp(
      {
        dequeue: (_stream, _max, signal) => deliver(signal, UNTIL_STOPPED()),
        extend() {
          throw leaseNotHeld();
        },
      },
      { leaseMs: 1_000 },
    );
    await vi.waitFor(() => expect(lines).toContain("job ended"), 10_000);
    stop.abort();
    await done;
    expect([completed, released]).toEqual([[], []]);
  });

  it("M6: reports a result until it is answered", async () => {
    const { done, stop, completed } = setUp({
      dequeue: (_stream, _max, signal) => deliver(signal, node("")),
      complete(attempt) {
        if (attempt < 3) throw away();
      },
    });
    await vi.waitFor(() => expect(completed).toHaveLength(1), 10_000);
    stop.abort();
    await done;
  });

  it("lets the job under way end within the grace", async () => {
    const { done, stop, completed, released, lines } = setUp({
      dequeue: (_stream, _max, signal) => deliver(signal, node("setTimeout(() => {}, 300)")),
    });
    await vi.waitFor(() => expect(lines).toContain("job started"), 10_000);
    stop.abort();
    await done;
    expect(completed).toHaveLength(1);
    expect(released).toEqual([]);
  });

  it("gives the job back when the grace is over", async () => {
    const { done, stop, completed, released, lines } = setUp(
      { dequeue: (_stream, _max, signal) => deliver(signal, UNTIL_STOPPED()) },
      { stopGraceMs: 50 },
    );
    await vi.waitFor(() => expect(lines).toContain("job started"), 10_000);
    stop.abort();
    await done;
    expect(completed).toEqual([]);
    expect(released).toHaveLength(1);
  });

  it("gives the job back at once when it is told so a second time, however stubborn the program", async () => {
    const stubborn = node(`process.on("SIGTERM", () => {}); ${FOREVER}`);
    const { done, stop, kill, completed, released, published } = setUp({
      dequeue: (_stream, _max, signal) => deliver(signal, stubborn),
    });
    await vi.waitFor(() => expect(published).toContain("processStarted"), 10_000);
    stop.abort();
    kill.abort();
    await done;
    expect(completed).toEqual([]);
    expect(released).toHaveLength(1);
  });

  it("does not wait for events that cannot be sent when it is told so a second time", async () => {
    const { done, stop, kill, released, lines } = setUp({
      dequeue: (_stream, _max, signal) => deliver(signal, UNTIL_STOPPED()),
      publish() {
        throw away();
      },
    });
    await vi.waitFor(() => expect(lines).toContain("job started"), 10_000);
    stop.abort();
    kill.abort();
    await done;
    expect(released).toHaveLength(1);
  });
});
