// Measures latchkey beside its peers in one run, and prints figures; with --check fails when one misses its bound. Each
// group has a process of its own, which loads nothing else: a Redis client that is only imported makes promises in the
// whole process several times as slow.
import { spawnSync } from "node:child_process";
import { type Figure, formatFigure, isKept } from "./figure.ts";

// The last one fails where no Redis answers; by then the others have told their figures.
const groups: Readonly<Record<string, () => Promise<Figure[]>>> = {
  verify: async () => (await import("./verify.ts")).measureVerify(),
  "pre-check": async () => (await import("./pre-check.ts")).measurePreCheck(),
  conditions: async () => (await import("./conditions.ts")).measureConditions(),
  rpc: async () => (await import("./rpc.ts")).measureRpc(),
  "verified tokens": async () => (await import("./verified-tokens.ts")).measureVerifiedTokens(),
  client: async () => (await import("./client.ts")).measureClient(),
  "hostile body": async () => (await import("./hostile-body.ts")).measureHostileBody(),
  cold: async () => (await import("./jwks-cold.ts")).measureCold(),
  flood: async () => (await import("./jwks-flood.ts")).measureFlood(),
  "look-up": async () => (await import("./jwks-lookup.ts")).measureLookup(),
  restore: async () => (await import("./restore.ts")).measureRestore(),
};
const MISSED = 2;

const [name = ""] = process.argv.slice(2).filter((argument) => Object.hasOwn(groups, argument));
const measure = groups[name];
if (measure === undefined) runAll(process.argv.includes("--check"));
else await run(measure);

function runAll(check: boolean): void {
  const failed: string[] = [];
  for (const group of Object.keys(groups)) {
    const { status } = spawnSync(process.execPath, [import.meta.filename, group], { stdio: "inherit" });
    // A group that could not be measured is a failure in any case.
    if (status !== 0 && (check || status !== MISSED)) failed.push(group);
  }
  if (failed.length > 0) console.error(`missed their bounds, or failed: ${failed.join(", ")}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

async function run(measureGroup: () => Promise<Figure[]>): Promise<void> {
  const figures = await measureGroup();
  for (const figure of figures) console.log(formatFigure(figure));
  if (!figures.every(isKept)) process.exitCode = MISSED;
}
