import { isDeepStrictEqual } from "node:util";
import { createVerifier, type Principal, parseBearer, TokenRejectedError, type Verifier } from "latchkey/verify";
import type { Corpus, Original } from "./corpus.ts";
import { describePrincipal, type Meaning, readMeaning, TOLERANCE_SECONDS } from "./model.ts";
import type { Mutant } from "./mutant.ts";
import { P256_ORDER, toNumber } from "./signature-mutations.ts";
import { askTimely, TOO_SLOW } from "./timely-answer.ts";

/** What became of a mutant. */
export interface Outcome {
  /** `accepted`, or the code of the refusal. */
  readonly answer: string;
  /** What should not have been so; undefined when all is well. */
  readonly violation: string | undefined;
}

/** Holds a verifier, which remembers what it has accepted, against what must be so. */
export interface Judge<Shown> {
  /** Has the verifier look at a mutant. */
  judge(mutant: Shown): Promise<Outcome>;
  /** Has it look at all originals: they mean what they meant, whatever it has seen since. */
  judgeOriginals(): Promise<string | undefined>;
}

const ALLOWED_CODES: ReadonlySet<string> = new Set([
  ...["MALFORMED", "TYPE", "ALGORITHM", "ISSUER", "AUDIENCE", "EXPIRED", "NOT_YET_VALID", "LIFETIME", "CLAIMS"].map(
    (name) => `ERR_TOKEN_${name}`,
  ),
  ...["ERR_TOKEN_BOUND", "ERR_TOKEN_SIGNATURE", "ERR_KEY_NOT_FOUND"],
]);
const HEADER_CODES: ReadonlySet<string> = new Set(["ERR_CREDENTIALS_MALFORMED", "ERR_TOKEN_MALFORMED"]);
// Within this of a limit, either answer is right: the verifier has looked at its clock before the model does.
const UNSURE_SECONDS = 3;

/** Creates a {@link Judge} of tokens. */
export function createTokenJudge({ issuers, originals }: Corpus): Judge<Mutant> {
  const verifier = createVerifier({
    issuers: issuers.map((issuer) => issuer.trusted()),
    clockToleranceSeconds: TOLERANCE_SECONDS,
  });
  const byToken = new Map(originals.map((original) => [original.token, original]));
  const byInput = new Map(originals.map((original) => [inputOf(original.token), original]));

  const findMeant = ({ token, signedBy }: Mutant): Meaning | string | undefined => {
    const original = byToken.get(token) ?? findMalleated(token, byInput);
    const signer = original?.issuer ?? signedBy;
    if (signer === undefined) return "it was not signed";
    const nowSeconds = Date.now() / 1_000;
    const [early, late] = [-UNSURE_SECONDS, UNSURE_SECONDS].map((offset) =>
      readMeaning(original?.token ?? token, signer, nowSeconds + offset),
    );
    return typeof early === typeof late ? early : undefined;
  };

  const judge = async (mutant: Mutant): Promise<Outcome> => {
    const answer = await askTimely(() => answerTo(verifier, mutant.token));
    if (answer === TOO_SLOW) return { answer: "slow", violation: TOO_SLOW };
    const meant = findMeant(mutant);
    const carried = readHeader(mutant.token);
    // RFC 9110 section 11.4: more than one blank may stand between scheme and token.
    if (carried !== undefined && carried !== mutant.token.replace(/^ +/, "")) {
      return { answer: "another token", violation: `the header was read as ${carried}` };
    }
    if (answer instanceof Error) return { answer: codeOf(answer), violation: judgeRefusal(answer, meant) };
    return { answer: "accepted", violation: judgeAcceptance(describePrincipal(answer), mutant.token, meant) };
  };

  return {
    judge,
    async judgeOriginals() {
      for (const { token } of originals) {
        const { answer, violation } = await judge({ token, kind: "original", signedBy: undefined });
        if (violation !== undefined || answer !== "accepted") return violation ?? `a good token got ${answer}`;
      }
      return undefined;
    },
  };
}

function judgeRefusal(error: Error, meant: Meaning | string | undefined): string | undefined {
  if (!(error instanceof TokenRejectedError) || !ALLOWED_CODES.has(error.code)) return `threw ${String(error.stack)}`;
  return typeof meant === "object" ? `refused with ${error.code} what is good` : undefined;
}

function judgeAcceptance(found: Meaning, token: string, meant: Meaning | string | undefined): string | undefined {
  if (meant === undefined) return undefined;
  if (typeof meant === "string") return `accepted although: ${meant}`;
  if (!isDeepStrictEqual(found, meant)) return `means ${JSON.stringify(meant)}, was taken for ${JSON.stringify(found)}`;
  return readHeader(token) === token ? undefined : "accepted what no header can carry";
}

/** What a header gives that carries the token: undefined when it is refused. */
function readHeader(token: string): string | undefined {
  try {
    return parseBearer(`Bearer ${token}`);
  } catch (error) {
    if (error instanceof TokenRejectedError && HEADER_CODES.has(error.code)) return undefined;
    throw error;
  }
}

async function answerTo(verifier: Verifier, token: string): Promise<Principal | Error> {
  try {
    return await verifier.verifyNow(token);
  } catch (error) {
    return error instanceof Error ? error : new Error(`threw ${String(error)}`);
  }
}

function codeOf(error: Error): string {
  return error instanceof TokenRejectedError ? error.code : error.name;
}

function inputOf(token: string): string {
  return token.slice(0, token.lastIndexOf("."));
}

/** The original whose ECDSA signature (r, s) a token has as (r, n - s): the one other text that means the same. */
function findMalleated(token: string, byInput: ReadonlyMap<string, Original>): Original | undefined {
  const original = byInput.get(inputOf(token));
  if (original?.issuer.algorithms[0] !== "ES256") return undefined;
  const [own, good] = [token, original.token].map((text) => text.slice(text.lastIndexOf(".") + 1));
  const [bytes, goodBytes] = [own, good].map((text = "") => Buffer.from(text, "base64url"));
  if (bytes?.length !== 64 || goodBytes === undefined || bytes.toString("base64url") !== own) return undefined;
  const isSameR = bytes.subarray(0, 32).equals(goodBytes.subarray(0, 32));
  const sum = toNumber(bytes.subarray(32)) + toNumber(goodBytes.subarray(32));
  return isSameR && sum === P256_ORDER ? original : undefined;
}
