// One of the threads of a run: takes every so-manieth case, and tells at the end what came of them.
import { parentPort, workerData } from "node:worker_threads";
import { createCorpus } from "./corpus.ts";
import { createTokenJudge, type Outcome } from "./judge.ts";
import { makeMutant } from "./mutant.ts";
import { createProofCorpus } from "./proof-corpus.ts";
import { createProofJudge } from "./proof-judge.ts";
import { createProofMutants } from "./proof-mutant.ts";
import { createRandom } from "./random.ts";
import type { Share, Tally } from "./share.ts";

/** What was shown to a verifier, and what became of it. */
interface Case extends Outcome {
  readonly kind: string;
  /** All that is needed to show it again. */
  readonly shown: string;
  readonly isProof: boolean;
}

const { seed, first, end, step } = workerData as Share;
const ORIGINALS_EVERY = 500;
const PROOFS_SHARE = 0.2;

const corpus = await createCorpus();
const proofCorpus = await createProofCorpus();
const tokens = createTokenJudge(corpus);
const proofs = createProofJudge(proofCorpus);
const makeProofMutant = createProofMutants(proofCorpus);
const answers: Record<string, Record<string, number>> = {};
const findings: string[] = [];
const shownTimes = { tokens: 0, proofs: 0 };

const examine = async (index: number): Promise<Case> => {
  const random = createRandom(seed, index);
  if (!random.chance(PROOFS_SHARE)) {
    const mutant = await makeMutant(corpus, random);
    return { ...(await tokens.judge(mutant)), kind: mutant.kind, shown: mutant.token, isProof: false };
  }
  const mutant = makeProofMutant(random);
  const { kind, service, token, call, proof } = mutant;
  const shown = JSON.stringify({ proof, ...call, token: token.token, origin: service.origin, nonce: service.nonce });
  return { ...(await proofs.judge(mutant)), kind, shown, isProof: true };
};

const check = async (index: number, what: keyof typeof shownTimes): Promise<void> => {
  const violation = await { tokens, proofs }[what].judgeOriginals();
  if (violation !== undefined) findings.push(`case ${index}: after it, an original of ${what}: ${violation}`);
};

await check(first, "tokens");
await check(first, "proofs");
for (let index = first; index < end && findings.length === 0; index += step) {
  try {
    const { kind, answer, violation, shown, isProof } = await examine(index);
    const counts = answers[kind] ?? {};
    answers[kind] = counts;
    counts[answer] = (counts[answer] ?? 0) + 1;
    if (violation !== undefined) findings.push(`case ${index}, ${kind}: ${violation}\n${shown}`);
    const what = isProof ? "proofs" : "tokens";
    if (++shownTimes[what] % ORIGINALS_EVERY === 0) await check(index, what);
  } catch (error) {
    findings.push(`case ${index}: ${String(error)}`);
  }
}
const issuers = findings.length === 0 ? [] : [...corpus.issuers, proofCorpus.issuer];
const keys = issuers.map((issuer) => JSON.stringify(issuer.trusted()));
parentPort?.postMessage({ answers, proofs: shownTimes.proofs, findings: [...findings, ...keys] } satisfies Tally);
