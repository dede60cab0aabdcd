import { raceSignal } from "./signal.js";

/** Runs work once however many ask for it at the same time. */
export interface SingleFlight<K, V> {
  /**
   * Joins the flight under way for `key`, or starts one.
   *
   * The work belongs to nobody in particular: when `signal` aborts, this caller alone leaves with the signal's reason
   * and the flight goes on for the others. A failure is given to every caller of the flight and not remembered.
   *
   * @param key - What is wanted; compared as a Map compares.
   * @param work - Started at most once at a time per key.
   * @param signal - Ends the wait of this caller.
   */
  run(key: K, work: () => Promise<V>, signal?: AbortSignal): Promise<V>;
  /** How many callers wait for `key` at present; 0 when no flight is under way. */
  waiting(key: K): number;
}

/** Creates a {@link SingleFlight}. Holds nothing between flights. */
export function createSingleFlight<K, V>(): SingleFlight<K, V> {
  const flights = new Map<K, { readonly result: Promise<V>; waiting: number }>();
  return {
    async run(key, work, signal) {
      signal?.throwIfAborted();
      let flight = flights.get(key);
      if (flight === undefined) {
        const result = work().finally(() => flights.delete(key));
        flight = { result, waiting: 0 };
        flights.set(key, flight);
      }
      flight.waiting++;
      // Stays to its end, when all that wait are forgotten with it.
      if (signal === undefined) return flight.result;
      try {
        return await raceSignal(flight.result, signal);
      } finally {
        flight.waiting--;
      }
    },
    waiting: (key) => flights.get(key)?.waiting ?? 0,
  };
}
