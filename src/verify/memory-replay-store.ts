import { KeysUnavailableError } from "../errors.js";
import { type Clock, systemClock } from "../lib/clock.js";
import { assertFields, assertPositiveInteger, type FieldsOf, withoutUndefined } from "../lib/options.js";
import type { ReplayStore } from "./replay-store.js";

/** Options of {@link createMemoryReplayStore}. */
export interface MemoryReplayStoreOptions {
  /**
   * Most ids remembered. Has to be at least the calls per second times the seconds for which each is remembered: by
   * default 70, for proofs that may be 60 s old and clocks that may be 5 s apart. @defaultValue `100_000`
   */
  readonly maxEntries?: number;
  /** Time. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** Ids that go in the same second. */
interface Batch {
  readonly ids: string[];
  /** Monotonic time before which they stay, whatever the wall clock says. */
  untilMs: number;
}

const DEFAULTS = {
  maxEntries: 100_000,
  clock: systemClock,
} as const satisfies Required<MemoryReplayStoreOptions>;

const FIELDS: FieldsOf<MemoryReplayStoreOptions> = { maxEntries: true, clock: true };

/**
 * Creates a {@link ReplayStore} in the memory of this process: for a single server.
 *
 * It knows nothing of what other servers were shown, and has forgotten everything after a restart. Behind a load
 * balancer, a proof could be used once per server: use a store that they share.
 *
 * An id is never forgotten before its time. When there is no room for another, it is refused with
 * {@link KeysUnavailableError} `ERR_TOO_MANY_PENDING`, and the call as `resource_exhausted`: to drop an id that is still
 * needed would let its proof be used again, by whoever brings enough new ones. An id costs about 105 bytes, all of the
 * default about 11 MB.
 *
 * No timer: ids whose time is over go with a claim, at most once a second.
 *
 * @example
 * ```ts
 * import { createMemoryReplayStore } from "latchkey/verify";
 *
 * export const replayStore = createMemoryReplayStore({ maxEntries: 500_000 });
 * ```
 *
 * @throws TypeError or RangeError naming the field that cannot be used.
 */
export function createMemoryReplayStore(options: MemoryReplayStoreOptions = {}): ReplayStore {
  assertFields("options", options, FIELDS);
  const { maxEntries, clock } = { ...DEFAULTS, ...withoutUndefined(options) };
  assertPositiveInteger("maxEntries", maxEntries);
  const known = new Set<string>();
  const batches = new Map<number, Batch>();
  let lookedAtSecond = Number.NEGATIVE_INFINITY;

  const forgetOld = (nowMs: number, monotonicMs: number): void => {
    const second = Math.floor(nowMs / 1_000);
    if (second === lookedAtSecond) return;
    lookedAtSecond = second;
    for (const [due, { ids, untilMs }] of batches) {
      // Both times: a wall clock that leapt and is set back would make proofs good again that were forgotten meanwhile.
      if (due > second || untilMs > monotonicMs) continue;
      for (const id of ids) known.delete(id);
      batches.delete(due);
    }
  };

  const remember = (id: string, due: number, untilMs: number): void => {
    known.add(id);
    const batch = batches.get(due);
    if (batch === undefined) {
      batches.set(due, { ids: [id], untilMs });
    } else {
      batch.ids.push(id);
      batch.untilMs = Math.max(batch.untilMs, untilMs);
    }
  };

  return {
    claim(id, expiresAtMs) {
      const nowMs = clock.nowMs();
      const monotonicMs = clock.monotonicMs();
      forgetOld(nowMs, monotonicMs);
      if (known.has(id)) return false;
      if (known.size >= maxEntries) {
        throw new KeysUnavailableError("ERR_TOO_MANY_PENDING", "Too many proofs are remembered to take another");
      }
      remember(id, Math.ceil(expiresAtMs / 1_000), monotonicMs + expiresAtMs - nowMs);
      return true;
    },
  };
}
