// Shows the same tokens to latchkey, jose, aws-jwt-verify and fast-jwt, and fails unless every disagreement is of a class
// that is named and explained, every class is seen, with each library it names, and docs/differential.md has the table of them. With --write, writes it.
//
// Arguments, each with a default: how many tokens by chance for each algorithm, and the seed.
import { randomInt } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { makeCases } from "./differential/cases.ts";
import { CLASSES, type DisagreementClass } from "./differential/classes.ts";
import { withOddKeys } from "./differential/odd-keys.ts";
import { createPanel, PEERS, type Peer } from "./differential/peers.ts";
import { readLeniently } from "./differential/reading.ts";
import { formatTable } from "./differential/table.ts";
import { createCorpus } from "./fuzz/corpus.ts";

const DOCUMENT = "docs/differential.md";
const MOST_SHOWN = 20;

const numbers = process.argv.slice(2).filter((argument) => /^\d+$/.test(argument));
const [count = 3_000, seed = randomInt(2 ** 31)] = numbers.map(Number);
const seen = new Map<DisagreementClass, Map<Peer, number>>(CLASSES.map((one) => [one, new Map()]));
const problems: string[] = [];
let tokens = 0;

const corpus = await createCorpus();
for (const issuer of corpus.issuers) {
  const ask = createPanel(withOddKeys(issuer));
  for await (const token of makeCases(issuer, corpus, count, seed)) {
    tokens++;
    const { code, claims } = await ask(token);
    for (const peer of PEERS.filter((one) => claims[one] !== claims.latchkey)) note(token, peer, code, claims[peer]);
  }
}
for (const [{ name, peers }, times] of seen) {
  for (const peer of peers) if (!times.has(peer)) problems.push(`${peer} never judged otherwise: a token ${name}`);
}

const table = formatTable();
const text = readFileSync(DOCUMENT, "utf8");
const written = text.replace(/^\| A token.*\n(?:\|.*\n)*/m, `${table}\n`);
if (process.argv.includes("--write")) writeFileSync(DOCUMENT, written);
else if (written !== text) problems.push(`${DOCUMENT} has another table: npm run differential -- --write`);

console.log(table);
for (const problem of problems.slice(0, MOST_SHOWN)) console.error(problem);
const disagreements = [...seen.values()].flatMap((peers) => [...peers.values()]).reduce((sum, times) => sum + times, 0);
console.log(`${tokens} tokens, seed ${seed}, ${disagreements} disagreements explained, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;

function note(token: string, peer: Peer, code: string | undefined, claims: string | undefined): void {
  const reading = readLeniently(token);
  const found = CLASSES.find((one) => one.code === code && one.peers.includes(peer) && one.applies(reading));
  if (found === undefined) {
    problems.push(`latchkey: ${code ?? "accepted"}, ${peer}: ${claims ?? "refused"}\n${token}`);
    return;
  }
  const peers = seen.get(found);
  peers?.set(peer, (peers.get(peer) ?? 0) + 1);
}
