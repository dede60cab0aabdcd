import type { SnapshotEntry, SnapshotKeeper, SnapshotOutcome } from "./snapshot-keeper.js";
import type { SnapshotSummary } from "./snapshot-store.js";

// As many as the store is asked at a time; more would only wait, with their keys in memory.
const MAX_CONCURRENT = 32;

/** Writes the key sets of many providers to the store. Never rejects. */
export function persistSnapshots(keeper: SnapshotKeeper, entries: readonly SnapshotEntry[]): Promise<SnapshotSummary> {
  return summarize(entries, keeper.save);
}

/** Takes the key sets of many providers from the store. Never rejects. */
export function restoreSnapshots(keeper: SnapshotKeeper, entries: readonly SnapshotEntry[]): Promise<SnapshotSummary> {
  return summarize(entries, keeper.load);
}

async function summarize(
  entries: readonly SnapshotEntry[],
  work: (entry: SnapshotEntry) => Promise<SnapshotOutcome>,
): Promise<SnapshotSummary> {
  const summary = { done: 0, missing: 0, refused: 0, failed: 0 };
  // Shared: each worker takes the next entry that no other has taken.
  const rest = entries.values();
  const workOn = async (): Promise<void> => {
    for (const entry of rest) summary[await work(entry)]++;
  };
  await Promise.all(Array.from({ length: Math.min(MAX_CONCURRENT, entries.length) }, workOn));
  return summary;
}
