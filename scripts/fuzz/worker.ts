// One of the threads of a run: takes every so-manieth case, and tells at the end what came of them.
import { parentPort, workerData } from "node:worker_threads";
import { createCorpus } from "./corpus.ts";
import { createJudge } from "./judge.ts";
import { makeMutant } from "./mutant.ts";
import { createRandom } from "./random.ts";
import type { Share, Tally } from "./share.ts";

const { seed, first, end, step } = workerData as Share;
const ORIGINALS_EVERY = 500;

const corpus = await createCorpus();
const { judge, judgeOriginals } = createJudge(corpus);
const answers: Record<string, Record<string, number>> = {};
const findings: string[] = [];

const check = async (index: number): Promise<void> => {
  const violation = await judgeOriginals();
  if (violation !== undefined) findings.push(`case ${index}: after it, an original: ${violation}`);
};

await check(first);
for (let index = first; index < end && findings.length === 0; index += step) {
  try {
    const mutant = await makeMutant(corpus, createRandom(seed, index));
    const { answer, violation } = await judge(mutant);
    const counts = answers[mutant.kind] ?? {};
    answers[mutant.kind] = counts;
    counts[answer] = (counts[answer] ?? 0) + 1;
    if (violation !== undefined) findings.push(`case ${index}, ${mutant.kind}: ${violation}\n${mutant.token}`);
    if (((index - first) / step) % ORIGINALS_EVERY === 0) await check(index);
  } catch (error) {
    findings.push(`case ${index}: ${String(error)}`);
  }
}
const keys = findings.length === 0 ? [] : corpus.issuers.map((issuer) => JSON.stringify(issuer.trusted()));
parentPort?.postMessage({ answers, findings: [...findings, ...keys] } satisfies Tally);
