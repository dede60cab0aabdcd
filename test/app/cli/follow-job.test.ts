import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { JobState, type StreamJobEventsResponseSchema } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { followJob } from "../../../src/app/cli/follow-job.js";
import { aborted } from "../../../src/lib/aborted.js";
import { createManualClock, type ManualClock } from "../../../src/testing/manual-clock.js";
import { startChildScript } from "../../support/child-script.js";
import { away, connectJobClients, tokenExpired } from "../../support/job-clients.js";

type Item = NonNullable<MessageInitShape<typeof StreamJobEventsResponseSchema>["item"]>;

const event = (sequence: bigint): Item => ({
  case: "event",
  value: { sequence, event: { case: "heartbeat", value: {} } },
});
const ended: Item = { case: "endedJob", value: { state: JobState.COMPLETED, result: { exitCode: 0 } } };

/** Follows a job; `stream` is called for each stream with its number, from 1 on. */
function setUp(
  stream: (stream: number, signal: AbortSignal) => AsyncIterable<Item>,
  onEvent: () => Promise<void> | void = () => {},
) {
  const cursors: bigint[] = [];
  const seen: bigint[] = [];
  const connection = connectJobClients({
    events: {
      async *streamJobEvents({ afterSequence }, { signal }) {
        cursors.push(afterSequence);
        for await (const item of stream(cursors.length, signal)) yield { item };
      },
    },
  });
  const controller = new AbortController();
  const clock = createManualClock();
  const job = followJob({
    connection,
    clock,
    jobId: "1",
    afterSequence: 0n,
    onEvent({ sequence }) {
      seen.push(sequence);
      return onEvent();
    },
    signal: controller.signal,
  });
  return { job, cursors, seen, controller, clock };
}

/** Lets time pass until the work has ended. */
async function passWaits(clock: ManualClock, work: Promise<unknown>): Promise<void> {
  let over = false;
  const note = (): void => {
    over = true;
  };
  work.then(note, note);
  while (!over) await clock.advance(1_000);
}

describe("followJob()", () => {
  it("gives each event, and the job when it has ended", async () => {
    const { job, seen } = setUp(async function* () {
      yield* [event(1n), event(2n), ended];
    });
    expect(await job).toMatchObject({ state: JobState.COMPLETED, result: { exitCode: 0 } });
    expect(seen).toEqual([1n, 2n]);
  });

  it.each([
    ["the token expired", tokenExpired],
    ["the server went away", away],
  ])("goes on where it was when %s, without a gap and without a repetition", async (_name, failure) => {
    const { job, cursors, seen, clock } = setUp(async function* (stream) {
      if (stream === 1) {
        yield* [event(1n), event(2n)];
        throw failure();
      }
      // A server that repeats the last event does no harm.
      yield* [event(2n), event(3n), ended];
    });
    await passWaits(clock, job);
    expect(cursors).toEqual([0n, 2n]);
    expect(seen).toEqual([1n, 2n, 3n]);
  });

  it("outlives any number of tokens while nothing happens to the job", async () => {
    const { job, cursors, clock } = setUp(async function* (stream) {
      if (stream > 50) {
        yield ended;
      } else {
        await clock.advance(1_000);
        throw tokenExpired();
      }
    });
    await job;
    expect(cursors).toHaveLength(51);
  });

  it("outlives any number of streams that something on the way ends", async () => {
    const { job, cursors, clock } = setUp(async function* (stream) {
      if (stream > 50) yield ended;
      else await clock.advance(1_000);
    });
    expect(await job).toMatchObject({ state: JobState.COMPLETED });
    expect(cursors).toHaveLength(51);
  });

  it("gives up on a server that stays away", async () => {
    const { job, cursors, clock } = setUp(async function* () {
      yield* [];
      throw away();
    });
    await passWaits(clock, job);
    await expect(job).rejects.toMatchObject({ code: Code.Unavailable });
    expect(cursors).toHaveLength(9);
  });

  it("keeps its process alive while it waits for the server", async () => {
    await using child = startChildScript("follow-job-process.ts", []);
    expect(await child.nextLine()).toBe("COMPLETED");
  });

  it("does not go back when a server repeats what is older", async () => {
    const { job, cursors, seen, clock } = setUp(async function* (stream) {
      if (stream === 1) {
        yield* [event(1n), event(2n), event(1n)];
        throw away();
      }
      yield* [event(3n), ended];
    });
    await passWaits(clock, job);
    expect(cursors).toEqual([0n, 2n]);
    expect(seen).toEqual([1n, 2n, 3n]);
  });

  it("fails with what the caller's listener throws, though it looks like a broken connection", async () => {
    const full = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    const { job, cursors } = setUp(
      async function* () {
        yield* [event(1n), ended];
      },
      () => Promise.reject(full),
    );
    await expect(job).rejects.toBe(full);
    expect(cursors).toHaveLength(1);
  });

  it("fails at once with a refusal", async () => {
    const { job, cursors } = setUp(async function* () {
      yield event(1n);
      throw new ConnectError("job not found", Code.NotFound);
    });
    await expect(job).rejects.toMatchObject({ code: Code.NotFound });
    expect(cursors).toHaveLength(1);
  });

  it("ends when its signal aborts", async () => {
    const { job, controller, seen } = setUp(async function* (_stream, signal) {
      yield event(1n);
      await aborted(signal);
    });
    while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    await expect(job).rejects.toMatchObject({ code: Code.Canceled });
  });
});
