import type { Job, JobEvent } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { resumable } from "../../client/resumable.js";
import { type Clock, systemClock } from "../../lib/clock.js";
import type { Connection } from "./connection.js";
import { isTransient } from "./error-info.js";

/** Options of {@link followJob}. */
export interface FollowJobOptions {
  readonly connection: Pick<Connection, "events">;
  readonly jobId: string;
  /** Sequence number of the last event already seen; 0: from the first one on. */
  readonly afterSequence: bigint;
  /** Called for each event, once each, in order. */
  readonly onEvent: (event: JobEvent) => Promise<void> | void;
  /** Ends the following. */
  readonly signal: AbortSignal;
  /** Time of streams and waits. @defaultValue that of this machine */
  readonly clock?: Clock;
}

/**
 * Follows the events of a job until it has ended. When the stream ends before, because its token expired or the server
 * went away, it is opened again where it stopped.
 *
 * Rejects with the `ConnectError` of a refusal, or when the server was away 8 times in a row; with what `onEvent` throws.
 *
 * @returns The job after its end.
 */
export async function followJob(options: FollowJobOptions): Promise<Job> {
  const { connection, jobId, onEvent, signal, clock = systemClock } = options;
  let seen = options.afterSequence;
  const stream = resumable(
    (afterSequence: bigint | undefined, own) =>
      connection.events.streamJobEvents({ jobId, afterSequence: afterSequence ?? seen }, { signal: own }),
    {
      // A server that repeats an event must not make us go back.
      cursor: ({ item }) => (item.case === "event" && item.value.sequence > seen ? item.value.sequence : undefined),
      reopenAtEnd: true,
      isTransient,
      signal,
      clock,
    },
  );
  for await (const { item } of stream) {
    if (item.case === "endedJob") return item.value;
    if (item.case !== "event" || item.value.sequence <= seen) continue;
    seen = item.value.sequence;
    await onEvent(item.value);
  }
  throw new Error("a stream that is opened again at its end has none");
}
