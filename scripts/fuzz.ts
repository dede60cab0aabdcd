// Verification is shown a million tokens that are nearly good, and must be talked past by none: what it accepts was signed,
// letter by letter, and means what an independent reader reads in it; what it refuses, it refuses by a code of its own.
// One in five is a good token that is bound to a key, beside a proof of that key (RFC 9449) that is nearly good: it is
// accepted when that reader finds it good for the token and the call, and once only.
//
// A million tokens take six minutes on one core; all cores are used.
//
// Arguments, each with a default: how many cases, seed, number of the first case. The same seed makes the same choices, but
// keys are new in each run: a finding is printed with its token and the keys.
import { randomInt } from "node:crypto";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Answers, Share, Tally } from "./fuzz/share.ts";

const [count = 1_000_000, seed = randomInt(2 ** 31), first = 0] = process.argv.slice(2).map(toCount);
const threads = Math.min(availableParallelism(), count);
console.log(`fuzz: ${count} tokens, seed ${seed}, from case ${first}, ${threads} threads`);

const startedMs = performance.now();
const tallies = await Promise.all(
  Array.from({ length: threads }, (_, at) => run({ seed, first: first + at, end: first + count, step: threads })),
);
const answers = sum(tallies.map((tally) => tally.answers));
const proofs = tallies.reduce((total, tally) => total + tally.proofs, 0);
const findings = tallies.flatMap((tally) => tally.findings);
for (const [kind, counts] of Object.entries(answers)) {
  const list = Object.entries(counts).toSorted(([, left], [, right]) => right - left);
  console.log(`${kind}: ${list.map(([answer, times]) => `${times} ${answer}`).join(", ")}`);
}
for (const finding of findings) console.error(finding);
if (findings.length > 0) console.error(`to see it again: npm run fuzz -- 1 ${seed} CASE`);
const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
const outcome = findings.length === 0 ? "nothing found" : "FOUND";
console.log(`${proofs} of ${count} tokens with a proof, ${seconds} s, ${outcome}`);
process.exitCode = findings.length === 0 ? 0 : 1;

function toCount(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new TypeError(`${text} is no number`);
  return Number(text);
}

/** A thread that breaks off, as by a crash or out of memory, is a finding too. */
async function run(share: Share): Promise<Tally> {
  const worker = new Worker(new URL("./fuzz/worker.ts", import.meta.url), { workerData: share });
  return new Promise((resolve) => {
    const fail = (why: unknown): void =>
      resolve({ answers: {}, proofs: 0, findings: [`a thread broke off: ${String(why)}`] });
    worker.once("message", resolve);
    worker.once("error", fail);
    worker.once("exit", fail);
  });
}

function sum(all: readonly Answers[]): Answers {
  const total: Record<string, Record<string, number>> = {};
  for (const [kind, counts] of all.flatMap((one) => Object.entries(one))) {
    const own = total[kind] ?? {};
    total[kind] = own;
    for (const [answer, times] of Object.entries(counts)) own[answer] = (own[answer] ?? 0) + times;
  }
  return total;
}
