import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { JobEventSchema, OutputStream } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { createCliContext } from "../../../src/app/cli/cli-context.js";
import { noteEvent, showOutput } from "../../../src/app/cli/show-event.js";
import { toBytes } from "../../../src/testing/raw-part.js";
import { createTextSink } from "../../support/cli.js";

type Event = NonNullable<MessageInitShape<typeof JobEventSchema>["event"]>;

/** What is seen of an event on either stream. */
async function show(event: Event): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const [stdout, stderr] = [createTextSink(), createTextSink()];
  const context = createCliContext({}, { stdout, stderr, on: () => {}, off: () => {} });
  const message = create(JobEventSchema, { sequence: 1n, event });
  noteEvent(message, context);
  await showOutput(message, context);
  return { stdout: stdout.text, stderr: stderr.text };
}

describe("showOutput() and noteEvent()", () => {
  it.each([
    [OutputStream.STDOUT, { stdout: "no newline", stderr: "" }],
    [OutputStream.STDERR, { stdout: "", stderr: "no newline" }],
    [OutputStream.UNSPECIFIED, { stdout: "no newline", stderr: "" }],
  ])("passes output of stream %i on to where it belongs, and adds nothing", async (stream, seen) => {
    expect(await show({ case: "output", value: { stream, data: toBytes("no newline") } })).toEqual(seen);
  });

  it("says on standard error alone what else happened", async () => {
    expect(await show({ case: "processStarted", value: { attempt: 2, pid: 41 } })).toEqual({
      stdout: "",
      stderr: "-- started, attempt 2, pid 41\n",
    });
    expect(await show({ case: "processEnded", value: { exitCode: -1 } })).toEqual({
      stdout: "",
      stderr: "-- exited with code -1\n",
    });
    expect(await show({ case: "heartbeat", value: {} })).toEqual({ stdout: "", stderr: "" });
    expect(await show({ case: undefined })).toEqual({ stdout: "", stderr: "" });
  });

  it("L2: sends no control character of a failure to the terminal, and keeps it on one line", async () => {
    const error = "gone\n-- exited with code 0\u001b[2J\u202e";
    expect((await show({ case: "processFailed", value: { error } })).stderr).toBe(
      "-- gone\\u{a}-- exited with code 0\\u{1b}[2J\\u{202e}\n",
    );
  });
});
