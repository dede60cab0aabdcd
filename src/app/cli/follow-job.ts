import type { Job, JobEvent } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { type Clock, systemClock } from "../../lib/clock.js";
import type { Connection } from "./connection.js";
import { backoffMs, delay } from "./delay.js";
import { isTokenExpired, isTransient } from "./error-info.js";

const DEFAULTS = {
  /** How often in a row the server may be away. */
  maxFailures: 8,
  /** A stream that ends sooner with an expired token did not end of age. */
  shortStreamMs: 1_000,
} satisfies Record<string, number>;

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
  /** Tells how long a stream was open. @defaultValue that of this machine */
  readonly clock?: Clock;
}

/**
 * Follows the events of a job until it has ended. When the stream ends before, because its token expired or the server
 * went away, it is opened again where it stopped.
 *
 * Rejects with the `ConnectError` of a refusal, or when the server was away 8 times in a row.
 *
 * @returns The job after its end.
 */
export async function followJob(options: FollowJobOptions): Promise<Job> {
  const { connection, jobId, onEvent, signal, clock = systemClock } = options;
  let afterSequence = options.afterSequence;
  let failures = 0;
  for (;;) {
    const openedAtMs = clock.monotonicMs();
    try {
      for await (const { item } of connection.events.streamJobEvents({ jobId, afterSequence }, { signal })) {
        failures = 0;
        if (item.case === "endedJob") return item.value;
        if (item.case !== "event" || item.value.sequence <= afterSequence) continue;
        afterSequence = item.value.sequence;
        await onEvent(item.value);
      }
    } catch (error) {
      const expired = isTokenExpired(error);
      const again = expired || isTransient(error);
      if (signal.aborted || !again || failures >= DEFAULTS.maxFailures) throw error;
      // A job may wait, or be silent, for longer than any number of tokens lives.
      if (expired && clock.monotonicMs() - openedAtMs >= DEFAULTS.shortStreamMs) {
        failures = 0;
        continue;
      }
    }
    failures++;
    await delay(backoffMs(failures), signal);
  }
}
