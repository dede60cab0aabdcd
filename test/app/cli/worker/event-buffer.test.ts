import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { type JobEvent, JobEventSchema, OutputStream } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { createEventBuffer } from "../../../../src/app/cli/worker/event-buffer.js";

function output(bytes: number): JobEvent {
  const value = { stream: OutputStream.STDOUT, data: new Uint8Array(bytes) };
  return create(JobEventSchema, { event: { case: "output", value } });
}

describe("createEventBuffer()", () => {
  const limits = { maxBatchBytes: 1_000, maxBatchEvents: 3, maxUnconfirmedBytes: 2_000 };

  it("gives events in order, as many as a message may carry", async () => {
    const buffer = createEventBuffer(limits);
    const events = [output(1), output(2), output(3), output(4)];
    for (const event of events) await buffer.add(event);
    expect(buffer.take().events).toEqual(events.slice(0, 3));
    expect(buffer.take().events).toEqual(events.slice(3));
    expect(buffer.take().events).toEqual([]);
    expect(buffer.empty).toBe(true);
  });

  it("ends a batch before it has too many bytes, and never gives an empty one for a large event", async () => {
    const buffer = createEventBuffer(limits);
    await buffer.add(output(800));
    await buffer.add(output(800));
    expect(buffer.take().events).toHaveLength(1);
    expect(buffer.take().events).toHaveLength(1);
    const large = createEventBuffer(limits);
    await large.add(output(1_900));
    expect(large.take().events).toHaveLength(1);
  });

  it("gives again what was not confirmed, before the rest", async () => {
    const buffer = createEventBuffer(limits);
    const [first, second] = [output(1), output(2)];
    await buffer.add(first);
    buffer.take();
    await buffer.add(second);
    buffer.restore();
    expect(buffer.take().events).toEqual([first, second]);
    buffer.confirm();
    buffer.restore();
    expect(buffer.empty).toBe(true);
  });

  it("numbers events from 1 on, and those that are given again as before", async () => {
    const buffer = createEventBuffer(limits);
    for (let bytes = 1; bytes <= 5; bytes++) await buffer.add(output(bytes));
    expect([buffer.take(), buffer.take()].map(({ firstPosition }) => firstPosition)).toEqual([1, 4]);
    buffer.restore();
    expect(buffer.take().firstPosition).toBe(1);
    buffer.confirm();
    expect(buffer.take().firstPosition).toBe(4);
  });

  it("makes who adds wait while too much is unconfirmed", async () => {
    const buffer = createEventBuffer(limits);
    await buffer.add(output(2_000));
    let added = false;
    const waiting = buffer.add(output(1)).then(() => {
      added = true;
    });
    buffer.take();
    await Promise.resolve();
    expect(added).toBe(false);
    buffer.confirm();
    await waiting;
    expect(buffer.take().events).toHaveLength(1);
  });

  it("takes nothing more once dropped, and lets who waits go on", async () => {
    const buffer = createEventBuffer(limits);
    await buffer.add(output(2_000));
    const waiting = buffer.add(output(1));
    const added = buffer.added();
    buffer.drop();
    await waiting;
    await added;
    await buffer.add(output(1));
    expect(buffer.empty).toBe(true);
    expect(buffer.takenBytes).toBe(0);
  });
});
