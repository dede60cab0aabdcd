import { getHeapStatistics } from "node:v8";
import { median } from "../../bench/rounds.js";
import { usedBytes } from "../../bench/used-bytes.js";

/** What a piece of synchronous work costs. */
export interface Cost {
  /** How long it takes, in milliseconds: the median, which pauses of the machine do not touch. */
  readonly medianMs: number;
  /** By how much the heap grows while it runs, in bytes, garbage included: the median. */
  readonly medianBytes: number;
  /** What all runs together leave behind, in bytes. */
  readonly retainedBytes: number;
}

/** Does the same work again and again, and gives what it costs. */
export function costOfRuns(runs: number, work: () => void): Cost {
  const milliseconds = new Float64Array(runs);
  const bytes = new Float64Array(runs);
  work();
  const before = usedBytes();
  for (let run = 0; run < runs; run++) {
    const heapBytes = getHeapStatistics().used_heap_size;
    const startMs = performance.now();
    work();
    milliseconds[run] = performance.now() - startMs;
    bytes[run] = getHeapStatistics().used_heap_size - heapBytes;
  }
  return { medianMs: median(milliseconds), medianBytes: median(bytes), retainedBytes: usedBytes() - before };
}
