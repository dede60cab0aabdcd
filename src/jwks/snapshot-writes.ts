/**
 * A change of a key: what it came to, and, when it was given up on, the moment at which the store is done with it after
 * all, which may never come.
 */
export type SnapshotWrite<T> = () => Promise<{
  readonly outcome: T;
  readonly settled: Promise<unknown> | undefined;
}>;

/** Changes of keys, each key's one after another. */
export interface SnapshotWrites<T> {
  /**
   * Makes a change once the one under way is settled, or takes the place of one that waits. Neither promise of the change
   * may reject.
   *
   * @returns What it came to, or the change that took its place. One that waits for a change which was given up on comes
   * to `unmade`, though it may be made yet: nobody is to wait for a store that does not answer.
   */
  submit(key: string, write: SnapshotWrite<T>): Promise<T>;
  /** Drops all that wait; they come to `unmade`. */
  abandon(): void;
}

interface Waiting<T> {
  readonly write: SnapshotWrite<T>;
  readonly outcome: PromiseWithResolvers<T>;
}

interface Lane<T> {
  waiting: Waiting<T> | undefined;
  /** The change under way was given up on. */
  stuck: boolean;
}

/**
 * Creates {@link SnapshotWrites}.
 *
 * A change that is given up on counts as under way until the store has settled it: one that followed might be overtaken,
 * and the older text, or one that was to be deleted, would stay. So each key has one call at the store at most, and the
 * last change asked for is the last one made.
 *
 * @param unmade - What changes come to that were not made.
 */
export function createSnapshotWrites<T>(unmade: T): SnapshotWrites<T> {
  const lanes = new Map<string, Lane<T>>();
  const drain = async (key: string, lane: Lane<T>): Promise<void> => {
    for (let next = lane.waiting; next !== undefined; next = lane.waiting) {
      lane.waiting = undefined;
      const { outcome, settled } = await next.write();
      next.outcome.resolve(outcome);
      if (settled === undefined) continue;
      lane.stuck = true;
      waitingOf(lane)?.outcome.resolve(unmade);
      await settled;
      lane.stuck = false;
    }
    lanes.delete(key);
  };
  return {
    submit(key, write) {
      const lane = lanes.get(key);
      const outcome = lane?.waiting?.outcome ?? Promise.withResolvers<T>();
      if (lane === undefined) {
        const opened: Lane<T> = { waiting: { write, outcome }, stuck: false };
        lanes.set(key, opened);
        void drain(key, opened);
      } else {
        lane.waiting = { write, outcome };
        if (lane.stuck) outcome.resolve(unmade);
      }
      return outcome.promise;
    },
    abandon() {
      for (const lane of lanes.values()) {
        lane.waiting?.outcome.resolve(unmade);
        lane.waiting = undefined;
      }
    },
  };
}

/** Read anew: a change may have been asked for during the one before. */
function waitingOf<T>(lane: Lane<T>): Waiting<T> | undefined {
  return lane.waiting;
}
