import type { Mutant } from "./mutant.ts";
import { isOf, patternOf } from "./rows.ts";
import { runTests } from "./run-tests.ts";
import type { TreeCopy } from "./tree-copy.ts";

const TIMEOUT_MS = 10 * 60 * 1_000;

/** What the tests say as long as nothing is changed. */
export interface Baseline {
  /** The mutants whose tests are there and pass. */
  readonly proved: readonly Mutant[];
  /** What is wrong with the others, a line each. */
  readonly problems: readonly string[];
}

/**
 * Runs the tests that mutants name, without any mutant: what fails now proves nothing later, and neither does a file
 * without a test of the row.
 *
 * @param workers - How many files at a time.
 */
export async function runBaseline(mutants: readonly Mutant[], copy: TreeCopy, workers: number): Promise<Baseline> {
  const pattern = patternOf(...new Set(mutants.map(({ id, provedBy = id }) => provedBy)));
  const files = [...new Set(mutants.flatMap(({ tests }) => tests))];
  const run = await runTests({ folder: copy.folder, files, pattern, workers, timeoutMs: TIMEOUT_MS });
  if (run.timedOut || run.reports.length === 0) {
    return { proved: [], problems: [`the tests do not run without any mutant: ${run.output}`] };
  }
  const findProblem = ({ id, provedBy = id }: Mutant, file: string): string | undefined => {
    const reports = run.reports.filter((report) => report.file === file);
    const error = reports.find((report) => "error" in report)?.error;
    if (error !== undefined) return `${file} fails without any mutant: ${error}`;
    if (reports.some((report) => isOf(provedBy, "failed", report)))
      return `${provedBy} in ${file} fails without any mutant`;
    if (reports.some((report) => isOf(provedBy, "passed", report))) return undefined;
    return `${file} has no test of ${provedBy}, which a mutant of ${id} names`;
  };
  const problemsOf = (mutant: Mutant): readonly string[] =>
    mutant.tests.map((file) => findProblem(mutant, file)).filter((problem) => problem !== undefined);
  return {
    proved: mutants.filter((mutant) => problemsOf(mutant).length === 0),
    problems: [...new Set(mutants.flatMap(problemsOf))],
  };
}
