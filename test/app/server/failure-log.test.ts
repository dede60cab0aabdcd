import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { JobEventService, JobService } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { createFailureLog } from "../../../src/app/server/failure-log.js";
import { aborted } from "../../../src/lib/aborted.js";
import { createTextSink } from "../../support/cli.js";

function setUp(failure: unknown) {
  const sink = createTextSink();
  const started = Promise.withResolvers<void>();
  const transport = createRouterTransport(
    (router) => {
      router.service(JobService, {
        getJob() {
          throw failure;
        },
      });
      router.service(JobEventService, {
        async *streamJobEvents({ jobId }, { signal }) {
          if (jobId === "wait") {
            started.resolve();
            await aborted(signal);
          }
          yield {};
          throw failure;
        },
      });
    },
    { router: { interceptors: [createFailureLog(pino(sink))] } },
  );
  return {
    jobs: createClient(JobService, transport),
    events: createClient(JobEventService, transport),
    lines: () =>
      sink.text
        .trim()
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as object),
    started: started.promise,
  };
}

async function drain(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

describe("createFailureLog()", () => {
  it("logs what callers only see as an internal error, of unary calls and of streams", async () => {
    const { jobs, events, lines } = setUp(new TypeError("x is undefined"));
    await expect(jobs.getJob({})).rejects.toMatchObject({ code: Code.Internal, rawMessage: "internal error" });
    await expect(drain(events.streamJobEvents({}))).rejects.toMatchObject({ code: Code.Internal });
    expect(lines()).toMatchObject([
      {
        level: 50,
        method: "latchkey.jobs.v1.JobService/GetJob",
        err: { type: "TypeError", message: "x is undefined" },
      },
      { level: 50, method: "latchkey.jobs.v1.JobEventService/StreamJobEvents", err: { message: "x is undefined" } },
    ]);
  });

  it("leaves out what was meant for the caller", async () => {
    const { jobs, events, lines } = setUp(new ConnectError("job not found", Code.NotFound));
    await expect(jobs.getJob({})).rejects.toMatchObject({ code: Code.NotFound });
    await expect(drain(events.streamJobEvents({}))).rejects.toMatchObject({ code: Code.NotFound });
    expect(lines()).toEqual([]);
  });

  it("leaves out what fails because the caller went away", async () => {
    const { events, lines, started } = setUp(new Error("aborted"));
    const controller = new AbortController();
    const call = drain(events.streamJobEvents({ jobId: "wait" }, { signal: controller.signal }));
    await started;
    controller.abort();
    await expect(call).rejects.toMatchObject({ code: Code.Canceled });
    expect(lines()).toEqual([]);
  });
});
