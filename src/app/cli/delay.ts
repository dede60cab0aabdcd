import { setTimeout as sleep } from "node:timers/promises";

const SHORTEST_MS = 250;
const LONGEST_MS = 10_000;

/** Waits; returns early, without error, when the signal aborts. */
export async function delay(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}

/** How long to wait before try number `failures` + 1: up to 250 ms after the first failure, doubling up to 10 s. */
export function backoffMs(failures: number): number {
  // Full jitter: workers that lost the same server must not come back in step.
  return Math.random() * Math.min(LONGEST_MS, SHORTEST_MS * 2 ** (failures - 1));
}
