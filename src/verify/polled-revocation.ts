import { KeysUnavailableError } from "../errors.js";
import { createBackoff } from "../lib/backoff.js";
import { type Clock, systemClock } from "../lib/clock.js";
import { withDeadline } from "../lib/deadline.js";
import {
  assertFields,
  assertFunction,
  assertPositive,
  assertPositiveInteger,
  typeName,
  withoutUndefined,
} from "../lib/options.js";
import { raceSignal } from "../lib/signal.js";
import { createSingleFlight } from "../lib/single-flight.js";
import { createGuardedTelemetry } from "../telemetry/guarded-telemetry.js";
import { noTelemetry, type Telemetry } from "../telemetry/telemetry.js";
import type { Revocation, RevocationQuery } from "./revocation.js";
import { parseRevocationEntry, type RevocationEntry } from "./revocation-entry.js";
import { createRevocationIndex, type RevocationIndex } from "./revocation-index.js";

/**
 * Gives all that is revoked at present. A token that is revoked has to be listed until a minute after it has expired, for
 * verifiers tolerate that clocks disagree.
 *
 * @param options - A signal that aborts when nobody waits for it any more.
 */
export type LoadRevocations = (options: { readonly signal: AbortSignal }) => Promise<readonly RevocationEntry[]>;

/** Options of {@link createPolledRevocation}; every field has a default. */
export interface PolledRevocationOptions {
  /** From the end of one load to the next, in milliseconds. @defaultValue `30_000` (30 seconds) */
  readonly intervalMs?: number;
  /**
   * How long a list serves, counted from when its load began, in milliseconds. Longer than `intervalMs`.
   *
   * @defaultValue `300_000` (5 minutes)
   */
  readonly maxStaleMs?: number;
  /** Longest duration of a load, in milliseconds. @defaultValue `10_000` (10 seconds) */
  readonly timeoutMs?: number;
  /** Most entries; a longer list is refused. @defaultValue `100_000` */
  readonly maxEntries?: number;
  /** Where loads are counted. @defaultValue nowhere */
  readonly telemetry?: Telemetry;
  /** Time. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** A list of what is revoked that is kept up to date. */
export interface PolledRevocation extends Revocation, Disposable {
  /** Throws {@link KeysUnavailableError} `ERR_REVOCATION_UNAVAILABLE` while there is no list, or an old one alone. */
  isRevoked(query: RevocationQuery): boolean;
  /**
   * Loads the list, or waits for the load that is under way: to know at start that there is one.
   *
   * Rejects with {@link KeysUnavailableError} `ERR_REVOCATION_UNAVAILABLE`, with the failure as its cause.
   */
  refresh(): Promise<void>;
  /** Ends the timer and the load under way. The list in hand answers for the rest of its time. */
  [Symbol.dispose](): void;
}

const DEFAULTS = {
  intervalMs: 30 * 1_000,
  maxStaleMs: 5 * 60 * 1_000,
  timeoutMs: 10 * 1_000,
  maxEntries: 100_000,
  telemetry: noTelemetry,
  clock: systemClock,
} as const satisfies Required<PolledRevocationOptions>;

const FIRST_RETRY_MS = 1_000;
const LATE = new Error("The list of revocations was not loaded in time");

/**
 * Creates a list of what is revoked that is loaded now, and again every `intervalMs`.
 *
 * A new list takes the place of the one before as a whole, once every entry of it was understood. A load that fails
 * changes nothing, and is repeated after a second, then ever later up to `intervalMs`. When the list is older than
 * `maxStaleMs`, and before there is one, nobody can say what is revoked, and calls are refused as `unavailable`.
 *
 * What is revoked takes effect within `intervalMs` and the duration of a load, while loads succeed. Answers are a few
 * look-ups and never a promise. Holds one timer, which keeps no process alive. A list of 100,000 entries takes half a
 * second of a processor to take in.
 *
 * @example
 * ```ts
 * import { createPolledRevocation, type RevocationEntry } from "latchkey/verify";
 *
 * declare const database: { selectRevocations(signal: AbortSignal): Promise<RevocationEntry[]> };
 *
 * export const revocation = createPolledRevocation(({ signal }) => database.selectRevocations(signal), {
 *   intervalMs: 10_000,
 * });
 * await revocation.refresh();
 * ```
 *
 * @param load - Gives all that is revoked; `fetchRevocations(url)` loads a list from a URL.
 * @returns A list to share between verifiers, and to dispose.
 * @throws TypeError or RangeError naming the option that cannot be used.
 */
export function createPolledRevocation(load: LoadRevocations, options: PolledRevocationOptions = {}): PolledRevocation {
  assertFunction("load", load);
  assertFields("options", options, DEFAULTS);
  const { intervalMs, maxStaleMs, timeoutMs, maxEntries, clock, ...given } = {
    ...DEFAULTS,
    ...withoutUndefined(options),
  };
  assertPositive("options.intervalMs", intervalMs);
  assertPositive("options.maxStaleMs", maxStaleMs);
  assertPositive("options.timeoutMs", timeoutMs);
  assertPositiveInteger("options.maxEntries", maxEntries);
  if (maxStaleMs <= intervalMs) {
    throw new RangeError(`options.maxStaleMs must exceed intervalMs (${intervalMs}), got ${maxStaleMs}`);
  }
  const telemetry = createGuardedTelemetry(given.telemetry);
  const retry = {
    retryMinDelayMs: Math.min(FIRST_RETRY_MS, intervalMs),
    retryMaxDelayMs: intervalMs,
    retryJitter: "full",
  } as const;
  const flights = createSingleFlight<"list", void>();
  const disposal = new AbortController();
  let held: { readonly entries: unknown; readonly index: RevocationIndex; readonly askedAtMs: number } | undefined;
  let nextRetryMs = createBackoff(retry);
  let timer: Disposable | undefined;

  const schedule = (delayMs: number): void => {
    timer?.[Symbol.dispose]();
    if (!disposal.signal.aborted) timer = clock.setTimer(() => void refresh().catch(() => {}), delayMs);
  };

  const loadOnce = async (): Promise<void> => {
    const askedAtMs = clock.monotonicMs();
    const deadline = { timeoutMs, late: () => LATE, clock, signal: disposal.signal };
    let outcome = "failed";
    try {
      // An async function, so that a load may throw at once.
      const entries = await withDeadline((signal) => raceSignal((async () => load({ signal }))(), signal), deadline);
      outcome = "invalid";
      // A list that was not modified is the very same object, and nobody can have changed it.
      const isSame = entries === held?.entries && Object.isFrozen(entries);
      const index = held !== undefined && isSame ? held.index : toIndex(entries, maxEntries);
      held = { entries, index, askedAtMs };
      outcome = "ok";
      nextRetryMs = createBackoff(retry);
      schedule(intervalMs);
    } catch (cause) {
      if (cause === LATE) outcome = "timeout";
      const waitMs = cause instanceof KeysUnavailableError ? (cause.retryAfterMs ?? 0) : 0;
      // An answer that asks for a longer wait than everybody's gets everybody's.
      schedule(Math.min(intervalMs, Math.max(waitMs, nextRetryMs())));
      throw unavailable("could not be loaded", { cause });
    } finally {
      telemetry.count("latchkey.verify.revocation_loads", { outcome });
    }
  };

  const refresh = (): Promise<void> => flights.run("list", loadOnce);

  refresh().catch(() => {});
  return {
    isRevoked(query) {
      if (held === undefined) throw unavailable("has not been loaded yet");
      if (clock.monotonicMs() >= held.askedAtMs + maxStaleMs) throw unavailable("is too old");
      return held.index.isRevoked(query);
    },
    refresh,
    [Symbol.dispose]() {
      disposal.abort(unavailable("is disposed"));
      timer?.[Symbol.dispose]();
    },
  };
}

function toIndex(entries: readonly RevocationEntry[], maxEntries: number): RevocationIndex {
  if (!Array.isArray(entries)) throw new TypeError(`the list must be an array, got ${typeName(entries)}`);
  const index = createRevocationIndex(maxEntries);
  // Lists say what is revoked now: what is no longer of use is no longer listed.
  entries.forEach((entry, at) => {
    if (index.add(parseRevocationEntry(entry, `entries[${at}]`), Number.POSITIVE_INFINITY)) return;
    throw new RangeError(`the list must have at most ${maxEntries} entries`);
  });
  return index;
}

function unavailable(what: string, options?: ErrorOptions): KeysUnavailableError {
  return new KeysUnavailableError("ERR_REVOCATION_UNAVAILABLE", `The list of revocations ${what}`, options);
}
