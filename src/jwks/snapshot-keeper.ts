import { KeysUnavailableError } from "../errors.js";
import type { Clock } from "../lib/clock.js";
import { notify } from "../lib/notify.js";
import { createSingleFlight } from "../lib/single-flight.js";
import { createGuardedTelemetry } from "../telemetry/guarded-telemetry.js";
import type { Telemetry } from "../telemetry/telemetry.js";
import type { Jwks } from "./jwks.js";
import type { JwksSettings } from "./jwks-options.js";
import type { JwksSnapshot } from "./jwks-snapshot.js";
import { createSnapshotCalls } from "./snapshot-calls.js";
import { createSnapshotCodec, type SnapshotBinding } from "./snapshot-codec.js";
import { resolveSnapshotOptions, type SnapshotOptions, type SnapshotSummary } from "./snapshot-store.js";
import { createSnapshotWrites } from "./snapshot-writes.js";

/** A provider whose key set is kept. */
export interface SnapshotEntry extends SnapshotBinding {
  /** Its key cache. */
  readonly jwks: Pick<Jwks, "snapshot" | "hydrate">;
  /** Settings of that. */
  readonly settings: Pick<JwksSettings, "maxBodyBytes" | "staleWhileErrorMs">;
}

/** What became of the snapshot of one provider. */
export type SnapshotOutcome = keyof SnapshotSummary;

/** What went wrong with a snapshot. */
export interface SnapshotFailure {
  /** Whose it is. */
  readonly tenantId: string;
  /** Which of the tenant's providers. */
  readonly providerId: string;
  /** What was asked of the store. */
  readonly operation: "get" | "set" | "delete";
  /** No answer in time; the store failed; or the snapshot is not authentic, holds no usable keys or cannot be made. */
  readonly reason: "timeout" | "store" | "refused";
}

/** Keeps the key sets of providers in a store. Whatever the store does, nothing here rejects. */
export interface SnapshotKeeper extends AsyncDisposable {
  /**
   * Writes the key set of a provider. At most one write of it is under way; of those asked for meanwhile, one follows,
   * with the set that is in hand then. Nobody needs to wait for it.
   */
  save(entry: SnapshotEntry): Promise<SnapshotOutcome>;
  /** Takes the key set of a provider from the store, if it is authentic and {@link Jwks.hydrate} wants it. */
  load(entry: SnapshotEntry): Promise<SnapshotOutcome>;
  /** Drops the snapshot of a provider: after a write that is under way, instead of one that waits. */
  remove(entry: ProviderIds): Promise<SnapshotOutcome>;
  /** Waits for what is under way, but no longer than for one answer; then nothing is asked of the store any more. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Collaborators of {@link createSnapshotKeeper}. */
export interface SnapshotKeeperContext {
  /** Time. */
  readonly clock: Clock;
  /** Where outcomes are counted, labelled `tenant` and `provider`. */
  readonly telemetry: Telemetry;
  /** Told of failures, but not of calls that were left out because the store had not answered those before. */
  readonly onFailure: (failure: SnapshotFailure) => void;
}

type ProviderIds = Pick<SnapshotBinding, "tenantId" | "providerId">;

/** How one operation ended, more precisely than {@link SnapshotOutcome}. */
type Ending = "done" | "missing" | "unwanted" | "unmade" | SnapshotFailure["reason"];

const OUTCOMES = {
  done: "done",
  missing: "missing",
  unwanted: "refused",
  refused: "refused",
  timeout: "failed",
  store: "failed",
  unmade: "failed",
} as const satisfies Record<Ending, SnapshotOutcome>;

const LIMITS = { maxCalls: 32, maxTimeouts: 3, pauseMs: 30 * 1_000 } as const;
// Stores count instants in integers of limited size.
const LONGEST_TTL_MS = 365 * 24 * 60 * 60 * 1_000;

/**
 * Creates a {@link SnapshotKeeper}.
 *
 * @param options - Those of the registry, called `options.snapshots` in error messages.
 * @throws TypeError or RangeError naming the field that cannot be used.
 */
export function createSnapshotKeeper(
  options: SnapshotOptions,
  { clock, telemetry, onFailure }: SnapshotKeeperContext,
): SnapshotKeeper {
  const { store, keyPrefix, timeoutMs } = resolveSnapshotOptions(options, "options.snapshots");
  const codec = createSnapshotCodec(options.secret, "options.snapshots.secret");
  const measurements = createGuardedTelemetry(telemetry);
  const calls = createSnapshotCalls({ ...LIMITS, timeoutMs }, clock);
  const writes = createSnapshotWrites<Ending>("unmade");
  const loads = createSingleFlight<SnapshotEntry["jwks"], Ending>();
  const underWay = new Set<Promise<Ending>>();
  let disposal: Promise<void> | undefined;

  // Ids have no colon.
  const formatKey = ({ tenantId, providerId }: ProviderIds): string => `${keyPrefix}${tenantId}:${providerId}`;

  const report = (
    { tenantId, providerId }: ProviderIds,
    operation: SnapshotFailure["operation"],
    ending: Ending,
  ): Ending => {
    const labels = { tenant: tenantId, provider: providerId, operation, outcome: ending };
    measurements.count("latchkey.jwks.snapshots", labels);
    if (ending === "timeout" || ending === "store" || ending === "refused") {
      notify(onFailure, { tenantId, providerId, operation, reason: ending });
    }
    return ending;
  };

  const track = async (start: () => Promise<Ending>): Promise<SnapshotOutcome> => {
    if (disposal !== undefined) return "failed";
    const working = start();
    underWay.add(working);
    const ending = await working;
    underWay.delete(working);
    return OUTCOMES[ending];
  };

  const read = async (entry: SnapshotEntry): Promise<Ending> => {
    const call = await calls.make(() => store.get(formatKey(entry)));
    if (call.outcome !== "answered") return call.outcome;
    if (call.value === undefined || call.value === null) return "missing";
    try {
      const snapshot = await codec.open(call.value, entry, entry.settings.maxBodyBytes);
      if (snapshot === undefined) return "refused";
      return (await entry.jwks.hydrate(snapshot)) ? "done" : "unwanted";
    } catch (error) {
      // Anything else is a provider that was disposed meanwhile.
      return error instanceof KeysUnavailableError && error.code === "ERR_KEYS_INVALID" ? "refused" : "unwanted";
    }
  };

  const change = async (
    entry: ProviderIds,
    operation: "set" | "delete",
    makeCall: (key: string) => unknown,
  ): Promise<{ outcome: Ending; settled: Promise<unknown> | undefined }> => {
    let settled: Promise<unknown> | undefined;
    const call = await calls.make(() => {
      const answer = (async () => makeCall(formatKey(entry)))();
      settled = answer.catch(() => {});
      return answer;
    });
    // This is how Keyv says that it has not kept a text.
    const kept = call.outcome === "answered" && !(operation === "set" && call.value === false);
    const ending = kept ? "done" : call.outcome === "answered" ? "store" : call.outcome;
    return { outcome: report(entry, operation, ending), settled: ending === "timeout" ? settled : undefined };
  };

  const write = async (entry: SnapshotEntry): ReturnType<typeof change> => {
    try {
      const snapshot = entry.jwks.snapshot();
      const ttlMs = snapshot === undefined ? 0 : readLifeMs(snapshot, entry.settings.staleWhileErrorMs, clock.nowMs());
      if (snapshot === undefined || ttlMs <= 0) return { outcome: report(entry, "set", "missing"), settled: undefined };
      const text = await codec.seal(snapshot, entry);
      return await change(entry, "set", (key) => store.set(key, text, ttlMs));
    } catch {
      return { outcome: report(entry, "set", "refused"), settled: undefined };
    }
  };

  const dispose = async (): Promise<void> => {
    const timeUp = Promise.withResolvers<void>();
    const timer = clock.setTimer(timeUp.resolve, timeoutMs);
    await Promise.race([Promise.all(underWay), timeUp.promise]);
    timer[Symbol.dispose]();
    calls[Symbol.dispose]();
    writes.abandon();
  };

  return {
    save: (entry) => track(() => writes.submit(formatKey(entry), () => write(entry))),
    remove: (entry) =>
      track(() => writes.submit(formatKey(entry), () => change(entry, "delete", (key) => store.delete(key)))),
    load: (entry) => track(() => loads.run(entry.jwks, async () => report(entry, "get", await read(entry)))),
    [Symbol.asyncDispose]() {
      disposal ??= dispose();
      return disposal;
    },
  };
}

/** How long others may use a snapshot, in whole milliseconds, whatever the wall clock has done since it was fetched. */
function readLifeMs({ fetchedAtMs, ttlMs }: JwksSnapshot, staleWhileErrorMs: number, nowMs: number): number {
  const lifeMs = ttlMs + staleWhileErrorMs;
  return Math.ceil(Math.min(fetchedAtMs + lifeMs - nowMs, lifeMs, LONGEST_TTL_MS));
}
