import { raceSignal } from "../lib/signal.js";

/** What gets through to handlers, of the calls that carry one id. */
export interface Observation {
  /** What the calls carry. */
  readonly id: string;
  /** How many handlers were called. */
  readonly calls: number;
  /** The organisation that each message named which a handler was given. */
  readonly orgIds: readonly string[];
  /** Resolves when a handler is given a first message. */
  readonly reached: Promise<void>;
  /** Resolves when a handler is through, however its call went. */
  readonly finished: Promise<void>;
  /** Makes handlers wait for each other before they look at their caller, until so many have been called. */
  gather(count: number): void;
  /** For a handler: notes that it was called. */
  begin(): ObservedCall;
}

/** For a handler: where one call of it tells what happens to it. */
export interface ObservedCall {
  /** Notes a message; resolves when the handler shall go on, and rejects with the reason of the signal. */
  receive(orgId: string, signal: AbortSignal): Promise<void>;
  /** Notes that the handler is through. */
  finish(): void;
}

/** Creates an observation of an id of its own. */
export function createObservation(): Observation {
  const reached = Promise.withResolvers<void>();
  const finished = Promise.withResolvers<void>();
  const gathered = Promise.withResolvers<void>();
  const orgIds: string[] = [];
  let calls = 0;
  let expected = 0;
  return {
    id: crypto.randomUUID(),
    get calls() {
      return calls;
    },
    orgIds,
    reached: reached.promise,
    finished: finished.promise,
    gather(count) {
      expected = count;
    },
    begin() {
      calls++;
      if (calls >= expected) gathered.resolve();
      return {
        async receive(orgId, signal) {
          orgIds.push(orgId);
          reached.resolve();
          await raceSignal(gathered.promise, signal);
        },
        finish: finished.resolve,
      };
    },
  };
}
