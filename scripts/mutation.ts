// A test of a guard is worth what it notices: takes each guard out of a copy of the tree, one at a time, and fails unless
// the tests of its row in docs/threats.md fail then. Arguments, if any, are the rows to look at, or their letters.
import { availableParallelism } from "node:os";
import { runBaseline } from "./mutation/baseline.ts";
import { checkTypes } from "./mutation/check-types.ts";
import { judge, type Verdict } from "./mutation/judge.ts";
import type { Mutant } from "./mutation/mutant.ts";
import { MUTANTS } from "./mutation/mutants.ts";
import { readRows } from "./mutation/rows.ts";
import { createTreeCopy, type TreeCopy } from "./mutation/tree-copy.ts";

const wanted = process.argv.slice(2);
const isWanted = (id: string): boolean => wanted.length === 0 || wanted.includes(id) || wanted.includes(id.charAt(0));
const rows = readRows().filter(isWanted);
const mutants = MUTANTS.filter(({ id }) => isWanted(id));

const problems = [...findGaps(), ...(await runAll())];
for (const problem of problems) console.error(problem);
console.log(`${mutants.length} mutants of ${rows.length} rows, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;

function findGaps(): string[] {
  const known = new Set(readRows());
  const covered = new Set(MUTANTS.map(({ id }) => id));
  return [
    ...wanted
      .filter((id) => ![...known].some((row) => row === id || row.charAt(0) === id))
      .map((id) => `${id} is no row`),
    ...rows.filter((id) => !covered.has(id)).map((id) => `${id} has no mutant`),
    ...[...covered].filter((id) => !known.has(id)).map((id) => `${id} has a mutant and is no row`),
  ];
}

/** Prints what becomes of each mutant, and gives what is wrong. */
async function runAll(): Promise<string[]> {
  if (mutants.length === 0) return [];
  const copies = Array.from({ length: availableParallelism() }, createTreeCopy);
  try {
    const first = copies[0] as TreeCopy;
    const untyped = checkTypes(mutants, first);
    const typed = mutants.filter((mutant) => !untyped.has(mutant));
    const baseline = await runBaseline(typed, first, copies.length);
    const queue = baseline.proved.values();
    const found = await Promise.all(copies.map((copy) => work(queue, copy)));
    const broken = Array.from(untyped, ([{ id, file, find }, error]) => `${id} in ${file} BROKEN: ${error}\n  ${find}`);
    return [...broken, ...baseline.problems, ...found.flat()];
  } finally {
    for (const copy of copies) copy[Symbol.dispose]();
  }
}

async function work(queue: Iterable<Mutant>, copy: TreeCopy): Promise<string[]> {
  const found: string[] = [];
  for (const mutant of queue) {
    const startedMs = performance.now();
    const { killed, text } = await tryToJudge(mutant, copy);
    console.log(`${mutant.id} ${text} (${((performance.now() - startedMs) / 1_000).toFixed(1)} s)`);
    if (!killed) found.push(`${mutant.id} in ${mutant.file} ${text}\n  ${mutant.find}`);
  }
  return found;
}

async function tryToJudge(mutant: Mutant, copy: TreeCopy): Promise<Verdict> {
  try {
    return await judge(mutant, copy);
  } catch (error) {
    return { killed: false, text: `DOES NOT APPLY: ${error instanceof Error ? error.message : String(error)}` };
  }
}
