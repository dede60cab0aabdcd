import { type Mutant, mutate } from "./mutant.ts";
import { isOf, patternOf } from "./rows.ts";
import { runTests } from "./run-tests.ts";
import type { TreeCopy } from "./tree-copy.ts";

/** What became of a mutant. */
export interface Verdict {
  /** Whether the tests of its row noticed it, as the one thing that is wrong. */
  readonly killed: boolean;
  /** In a few words. */
  readonly text: string;
}

/** Longest time for the tests of one mutant: without its guard, a loop may have no end. */
const TIMEOUT_MS = 60 * 1_000;
/** After so many failures the run is cut short: each may have taken its time. */
const ENOUGH = 3;

/** Applies a mutant to a copy of the tree, runs the tests of its row, and brings the copy back. */
export async function judge(mutant: Mutant, copy: TreeCopy): Promise<Verdict> {
  const { id, file, tests: files, provedBy = id } = mutant;
  const { folder } = copy;
  const pattern = patternOf(provedBy);
  using _edit = copy.edit(file, (text) => mutate(text, mutant));
  let noticed = 0;
  const run = await runTests({
    folder,
    files,
    pattern,
    timeoutMs: TIMEOUT_MS,
    until: (report) => isOf(provedBy, "failed", report) && ++noticed === ENOUGH,
  });
  const broken = run.reports.find((report) => "error" in report);
  if (broken !== undefined) return alive(`BROKEN: ${broken.file} fails as a whole, ${broken.error.split("\n", 1)}`);
  if (run.timedOut) return { killed: true, text: `killed by time: no end after ${TIMEOUT_MS / 1_000} s` };
  if (run.reports.length === 0) return alive(`BROKEN: no test ran, ${run.output}`);
  const failed = run.reports.filter((report) => isOf(provedBy, "failed", report)).length;
  if (failed === 0) return alive("SURVIVED");
  const passes = run.reports.some((report) => isOf(provedBy, "passed", report));
  if (!passes && !(await passesOtherwise(folder, files, pattern))) return alive("BROKEN: no test of any kind passes");
  return {
    killed: true,
    text: `killed by ${failed} ${failed === 1 ? "test" : "tests"}${provedBy === id ? "" : ` of ${provedBy}`}`,
  };
}

/** Whether any other test of the files passes: the mutant is code that runs then, and not merely broken. */
async function passesOtherwise(folder: string, files: readonly string[], pattern: RegExp): Promise<boolean> {
  let passes = false;
  await runTests({
    folder,
    files,
    pattern: new RegExp(`^(?!.*${pattern.source})`),
    timeoutMs: TIMEOUT_MS,
    until(report) {
      passes ||= "state" in report && report.state === "passed";
      return passes;
    },
  });
  return passes;
}

function alive(text: string): Verdict {
  return { killed: false, text };
}
