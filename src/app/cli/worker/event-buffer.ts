import type { JobEvent } from "#gen/latchkey/jobs/v1/jobs_pb.js";

/** The events of one message. */
export interface EventBatch {
  readonly events: readonly JobEvent[];
  /** Position of the first one among all events of the buffer, from 1 on. */
  readonly firstPosition: number;
}

/** Events between the program that caused them and the server that has stored them. */
export interface EventBuffer {
  /** Adds an event at the end; waits first while too much is unconfirmed. Does nothing once the buffer is closed. */
  add(event: JobEvent): Promise<void>;
  /** Takes the next events to send, as many as one message may carry; none when there are none. */
  take(): EventBatch;
  /** The server has stored everything taken. */
  confirm(): void;
  /** What was taken and not confirmed is to be sent again, before the rest. */
  restore(): void;
  /** Forgets everything, now and from now on, and lets those who wait go on. */
  drop(): void;
  /** Nothing waits to be sent. */
  readonly empty: boolean;
  /** Bytes taken and not confirmed. */
  readonly takenBytes: number;
  /** Resolves when an event is added. */
  added(): Promise<void>;
  /** Resolves {@link EventBuffer.added} for everyone who waits. */
  wake(): void;
}

/** Limits of an {@link EventBuffer}. */
export interface EventBufferOptions {
  readonly maxBatchBytes: number;
  readonly maxBatchEvents: number;
  readonly maxUnconfirmedBytes: number;
}

/** Creates an empty buffer. */
export function createEventBuffer(options: EventBufferOptions): EventBuffer {
  let waiting: JobEvent[] = [];
  let taken: JobEvent[] = [];
  let confirmed = 0;
  let dropped = false;
  let addition = Promise.withResolvers<void>();
  let room = Promise.withResolvers<void>();
  const wake = (): void => {
    addition.resolve();
    addition = Promise.withResolvers();
  };
  const makeRoom = (): void => {
    room.resolve();
    room = Promise.withResolvers();
  };
  return {
    async add(event) {
      while (!dropped && totalBytes(waiting) + totalBytes(taken) >= options.maxUnconfirmedBytes) await room.promise;
      if (dropped) return;
      waiting.push(event);
      wake();
    },
    take() {
      let bytes = 0;
      let count = 0;
      for (const event of waiting) {
        bytes += totalBytes([event]);
        if (count > 0 && (bytes > options.maxBatchBytes || count === options.maxBatchEvents)) break;
        count++;
      }
      const events = waiting.splice(0, count);
      const firstPosition = confirmed + taken.length + 1;
      taken.push(...events);
      return { events, firstPosition };
    },
    confirm() {
      confirmed += taken.length;
      taken = [];
      makeRoom();
    },
    restore() {
      waiting = [...taken, ...waiting];
      taken = [];
    },
    drop() {
      dropped = true;
      waiting = [];
      taken = [];
      makeRoom();
      wake();
    },
    get empty() {
      return waiting.length === 0;
    },
    get takenBytes() {
      return totalBytes(taken);
    },
    added: () => addition.promise,
    wake,
  };
}

// What an event counts for beside the output it carries.
const EVENT_BYTES = 64;

function totalBytes(events: readonly JobEvent[]): number {
  return events.reduce(
    (sum, { event }) => sum + EVENT_BYTES + (event.case === "output" ? event.value.data.length : 0),
    0,
  );
}
