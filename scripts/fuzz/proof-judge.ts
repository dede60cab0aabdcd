import { type Principal, TokenRejectedError } from "latchkey/verify";
import type { Judge, Outcome } from "./judge.ts";
import { describePrincipal } from "./model.ts";
import { makeProof, type ProofCorpus, type Service } from "./proof-corpus.ts";
import { type ProofReading, readProof } from "./proof-model.ts";
import type { ProofMutant, ShownProof } from "./proof-mutant.ts";
import { askTimely, TOO_SLOW } from "./timely-answer.ts";

const ACCEPTED = "accepted";
const INVALID = "ERR_PROOF_INVALID";
const NONCE = "ERR_PROOF_NONCE";
const REPLAYED = "ERR_PROOF_REPLAYED";
/** Of two who show a proof at the same time. */
const ONE_OF_TWO = `${ACCEPTED} + ${REPLAYED}`;

/**
 * Creates a {@link Judge} of proofs. Of nearly all it says beforehand what the one right answer is. A proof that is good
 * and new is shown twice at the same time, and has to be accepted once. One that is good and was used has to be refused
 * as such, and no other: nothing may be remembered of a proof that was never good.
 */
export function createProofJudge({ originals }: ProofCorpus): Judge<ProofMutant> {
  const used = new Map<Service, Set<string>>(originals.map(({ service }) => [service, new Set()]));

  const judge = async (mutant: ShownProof): Promise<Outcome> => {
    const reading = readProof(mutant);
    const known = used.get(mutant.service);
    const isUsed = typeof reading === "object" && known?.has(reading.id) === true;
    const right = listRightAnswers(reading, mutant.service, isUsed);
    const times = right.includes(ONE_OF_TWO) ? 2 : 1;
    const results = await askTimely(() => Promise.all(Array.from({ length: times }, () => answerTo(mutant))));
    if (results === TOO_SLOW) return { answer: "slow", violation: TOO_SLOW };
    const answers = results.map(nameAnswer).toSorted().toReversed();
    if (typeof reading === "object" && answers.includes(ACCEPTED)) known?.add(reading.id);
    const answer = answers.join(" + ");
    return { answer, violation: judgeAnswer(answer, right, reading) ?? judgePrincipals(results, mutant) };
  };

  return {
    judge,
    async judgeOriginals() {
      for (const { service, token, call } of originals) {
        const { answer, violation } = await judge(makeProof(service, token, call));
        if (violation !== undefined || answer !== ONE_OF_TWO) return violation ?? `a good proof got ${answer}`;
      }
      return undefined;
    },
  };
}

function listRightAnswers(reading: ProofReading | string, { nonce }: Service, isUsed: boolean): readonly string[] {
  const refusals = nonce === undefined ? [INVALID] : [INVALID, NONCE];
  if (typeof reading === "string") return refusals;
  if (!reading.hasNonce) return reading.isCertain ? [NONCE] : refusals;
  if (isUsed) return reading.isCertain ? [REPLAYED] : [REPLAYED, ...refusals];
  return reading.isCertain ? [ONE_OF_TWO] : [ACCEPTED, ...refusals];
}

function judgeAnswer(answer: string, right: readonly string[], reading: ProofReading | string): string | undefined {
  if (right.includes(answer)) return undefined;
  const why = typeof reading === "string" ? `, because of its ${reading}` : "";
  return `${answer} instead of ${right.join(" or ")}${why}`;
}

function judgePrincipals(results: readonly (Principal | Error)[], { token }: ShownProof): string | undefined {
  for (const result of results) {
    if (result instanceof Error) continue;
    const { claims } = describePrincipal(result);
    if (claims !== token.claims) return `taken for ${claims} instead of ${token.claims}`;
  }
  return undefined;
}

function nameAnswer(result: Principal | Error): string {
  if (!(result instanceof Error)) return ACCEPTED;
  return result instanceof TokenRejectedError ? result.code : `threw ${String(result.stack)}`;
}

async function answerTo({ service, token, call, proof }: ShownProof): Promise<Principal | Error> {
  try {
    return await service.verifier.verify(token.token, { sender: { scheme: "DPoP", request: { proof, ...call } } });
  } catch (error) {
    return error instanceof Error ? error : new Error(`threw ${String(error)}`);
  }
}
