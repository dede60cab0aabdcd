import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import {
  JobEventSchema,
  type JobEventService,
  type Lease,
  OutputStream,
  type PublishJobEventsRequestSchema,
} from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { backoffMs, delay } from "../delay.js";
import { isTokenExpired, isTransient } from "../error-info.js";
import { createEventBuffer } from "./event-buffer.js";

/** What happened, without sequence number and time. */
export type EventContent = NonNullable<MessageInitShape<typeof JobEventSchema>["event"]>;

/** Sends the events of one execution to the server, in order and in batches, while the program runs. */
export interface EventPublisher {
  /** Hands over an event; waits while too much is unsent. Once the server refuses events, further ones are dropped. */
  publish(event: EventContent): Promise<void>;
  /** Hands over output, in events of at most 64 KiB. */
  publishOutput(stream: "stdout" | "stderr", data: Uint8Array): Promise<void>;
  /** Waits until the server has stored everything handed over, or never will. */
  close(): Promise<void>;
}

/** Options of {@link createEventPublisher}. */
export interface EventPublisherOptions {
  readonly client: Client<typeof JobEventService>;
  readonly orgId: string;
  readonly lease: Lease;
  /** How long a stream opened now may stay open, given the token it will carry, in milliseconds. */
  readonly streamLifetimeMs: () => Promise<number>;
  /** Called once when the server refuses events for good: the lease is lost, or there are too many events. */
  readonly onRefused: (error: unknown) => void;
  /** Ends everything, sent or not. */
  readonly signal: AbortSignal;
}

const DEFAULTS = {
  /** How long output is gathered before it is sent. */
  gatherMs: 50,
  /** Size of a batch; far below what the server reads as one message. */
  maxBatchBytes: 256 * 1024,
  maxBatchEvents: 256,
  maxOutputBytes: 64 * 1024,
  /** Above it publishers wait: memory stays bounded however much a program prints. */
  maxUnconfirmedBytes: 1024 * 1024,
  /** Closing a stream confirms what it carried; from this size on the stream is closed and another one opened. */
  maxStreamBytes: 512 * 1024,
  /** The same after this time. */
  maxStreamMs: 10_000,
} satisfies Record<string, number>;

/**
 * Creates the publisher of one execution.
 *
 * What a stream carried is confirmed when it closes, so streams are closed in order, before their token expires, and
 * reopened. When one breaks, what it carried is sent again, with the same positions: none is lost, none stored twice.
 */
export function createEventPublisher(options: EventPublisherOptions): EventPublisher {
  const { client, orgId, lease, signal } = options;
  const buffer = createEventBuffer(DEFAULTS);
  let closing = false;
  async function* batches(
    untilMs: number,
    ended: AbortSignal,
  ): AsyncGenerator<MessageInitShape<typeof PublishJobEventsRequestSchema>> {
    while (!ended.aborted && performance.now() < untilMs && buffer.takenBytes < DEFAULTS.maxStreamBytes) {
      if (buffer.empty && closing) return;
      if (buffer.empty) {
        await waitForEvent(untilMs);
      } else {
        if (!closing) await delay(DEFAULTS.gatherMs, ended);
        // A stream that has failed meanwhile must not take what the next one has to send.
        if (!ended.aborted) {
          const { events, firstPosition } = buffer.take();
          yield { orgId, lease, events: [...events], firstPosition: BigInt(firstPosition) };
        }
      }
    }
  }
  const waitForEvent = async (untilMs: number): Promise<void> => {
    const pause = new AbortController();
    await Promise.race([buffer.added(), delay(Math.max(0, untilMs - performance.now()), pause.signal)]);
    pause.abort();
  };
  const runStream = async (): Promise<void> => {
    const lifetimeMs = Math.min(DEFAULTS.maxStreamMs, await options.streamLifetimeMs());
    const ended = new AbortController();
    try {
      await client.publishJobEvents(batches(performance.now() + lifetimeMs, ended.signal), { signal });
      buffer.confirm();
    } finally {
      ended.abort();
      buffer.wake();
    }
  };
  const run = async (): Promise<void> => {
    let failures = 0;
    for (;;) {
      while (buffer.empty && !closing) await buffer.added();
      if (buffer.empty) return;
      try {
        await runStream();
        failures = 0;
      } catch (error) {
        buffer.restore();
        if (signal.aborted || !(isTransient(error) || isTokenExpired(error))) {
          buffer.drop();
          if (!signal.aborted) options.onRefused(error);
          return;
        }
        await delay(backoffMs(++failures), signal);
      }
    }
  };
  const finished = run();
  const publish = (event: EventContent): Promise<void> =>
    buffer.add(create(JobEventSchema, { timestamp: timestampNow(), event }));
  return {
    publish,
    async publishOutput(stream, data) {
      const target = stream === "stdout" ? OutputStream.STDOUT : OutputStream.STDERR;
      for (let start = 0; start < data.length; start += DEFAULTS.maxOutputBytes) {
        // A copy: the memory belongs to the stream it was read from.
        const part = data.slice(start, start + DEFAULTS.maxOutputBytes);
        await publish({ case: "output", value: { stream: target, data: part } });
      }
    },
    async close() {
      closing = true;
      buffer.wake();
      await finished;
    },
  };
}
