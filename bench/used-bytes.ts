import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Bytes of the heap that are in use once all garbage has been collected. */
export function usedBytes(): number {
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");
  // Twice: what the first finds to be finalised goes with the second.
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
