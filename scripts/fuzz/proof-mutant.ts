import { encodeParts, type Json, type JsonParts, mutateJson, mutateParts, setMember } from "./json-mutations.ts";
import type { Values } from "./json-values.ts";
import { seal } from "./jws-signature.ts";
import {
  type BoundToken,
  CALLS,
  type Call,
  type OriginalProof,
  type ProofCorpus,
  type Service,
} from "./proof-corpus.ts";
import { listProofValues, type ProofValues } from "./proof-values.ts";
import { type Random, spread } from "./random.ts";
import { mutateSignature } from "./signature-mutations.ts";
import { TARGET_CHANGES } from "./target-changes.ts";
import { respell, splice, TEXT_MUTATIONS } from "./text-mutations.ts";

/** A proof as it is shown beside a good token: either of them, or the call, may be another one's. */
export interface ShownProof {
  readonly service: Service;
  readonly token: BoundToken;
  readonly call: Call;
  readonly proof: string;
}

/** What is shown, made out of a good proof. */
export interface ProofMutant extends ShownProof {
  /** How it was made. */
  readonly kind: string;
}

/** Makes the mutant that a case's choices lead to. */
export type MakeProofMutant = (random: Random) => ProofMutant;

interface Means {
  readonly random: Random;
  readonly corpus: ProofCorpus;
  readonly values: ProofValues;
}
type Make = (original: OriginalProof, means: Means) => Partial<ShownProof>;

const ALGORITHMS = ["none", "HS256", "RS256", "PS256", "RS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519"];
const METHODS = ["GET", "POST", "PUT", "post", "Post", "POST ", ""];

/** The same proof once more, as a rule with a "jti" that nobody has used, or some other key alone. */
const renew = ({ header, payload }: OriginalProof, random: Random): { header: string; payload: string } => {
  const jti = `${random.int(random.chance(0.1) ? 100 : 2 ** 32)}`;
  return { header, payload: random.chance(0.7) ? JSON.stringify({ ...JSON.parse(payload), jti }) : payload };
};

const mutateObject = (json: string, values: Values, random: Random): Json =>
  random.pick([setMember, mutateJson])(json, values, random);

const mutateKey = (header: string, { random, values }: Means): Json => {
  const { jwk, ...others } = JSON.parse(header) as Readonly<Record<string, unknown>>;
  const [before, after] = JSON.stringify({ ...others, jwk: 0 }).split('"jwk":0');
  const mutated = mutateObject(JSON.stringify(jwk), values.jwk, random);
  return Buffer.concat([`${before}"jwk":`, mutated, after ?? ""].map((part) => Buffer.from(part)));
};

/** Changes the text of one claim. */
const mutateClaim = (payload: string, random: Random): string => {
  const claims = JSON.parse(payload) as Readonly<Record<string, unknown>>;
  const name = random.pick(["htm", "htu", "htu", "htu", "ath", "jti", "nonce"]);
  const ways = name === "htu" && random.chance(0.7) ? TARGET_CHANGES : TEXT_MUTATIONS;
  return JSON.stringify({ ...claims, [name]: random.pick(ways)(`${claims[name]}`, random) });
};

const change = (parts: { header: string; payload: string }, means: Means): JsonParts => {
  const { random, values } = means;
  const ways = {
    header: (json: string) => (random.chance(0.6) ? mutateKey(json, means) : mutateObject(json, values.header, random)),
    payload: (json: string) =>
      random.chance(0.4) ? mutateClaim(json, random) : mutateObject(json, values.payload, random),
  };
  return mutateParts(parts, ways, random);
};

const CALL_CHANGES: readonly ((shown: ShownProof, means: Means) => Partial<ShownProof>)[] = [
  (_, { random, corpus }) => ({ token: random.pick(corpus.tokens) }),
  ({ token: { prover } }, { random, corpus }) => ({
    token: random.pick(corpus.tokens.filter((token) => token.prover === prover)),
  }),
  (_, { random, corpus }) => ({ service: random.pick(corpus.originals).service }),
  ({ call }, { random }) => ({ call: { ...call, method: random.pick(METHODS) } }),
  ({ call }, { random }) => ({ call: { ...call, url: random.pick(CALLS).url } }),
  ({ call }, { random }) => ({ call: { ...call, url: random.pick(TARGET_CHANGES)(call.url) } }),
  ({ call }, { random }) => ({ call: { ...call, url: random.pick(TEXT_MUTATIONS)(call.url, random) } }),
];

const KINDS: Readonly<Record<string, { readonly share: number; readonly make: Make }>> = {
  text: { share: 14, make: ({ proof }, { random }) => ({ proof: random.pick(TEXT_MUTATIONS)(proof, random) }) },
  respelt: { share: 6, make: ({ proof }, { random }) => ({ proof: respell(proof, random) }) },
  spliced: {
    share: 8,
    make: ({ proof }, { random, corpus }) => ({
      proof: splice(proof, () => random.pick(corpus.originals).proof, random),
    }),
  },
  "other JSON, old signature": {
    share: 8,
    make: (original, means) => ({ proof: `${encodeParts(change(original, means))}.${original.proof.split(".")[2]}` }),
  },
  "other signature": { share: 8, make: ({ proof }, { random }) => ({ proof: mutateSignature(proof, random) }) },
  "another's key": {
    share: 6,
    make: (original, means) => {
      const { random, corpus } = means;
      const { prover } = original.token;
      const other = random.pick(corpus.provers.filter((one) => one !== prover));
      const { header, payload } = renew(original, random);
      const own = JSON.stringify({ ...JSON.parse(header), alg: other.algorithm, jwk: other.jwk });
      return { proof: seal({ header: random.chance(0.5) ? header : own, payload }, other) };
    },
  },
  "another algorithm": {
    share: 6,
    make: (original, { random }) => {
      const { header, payload } = renew(original, random);
      const alg = random.pick(ALGORITHMS);
      const parts = { header: JSON.stringify({ ...JSON.parse(header), alg }), payload };
      return { proof: seal(parts, original.token.prover, alg) };
    },
  },
  "another call": {
    share: 16,
    make: (original, means) => {
      const { random } = means;
      let shown: ShownProof = original;
      do shown = { ...shown, ...random.pick(CALL_CHANGES)(shown, means) };
      while (random.chance(0.3));
      return random.chance(0.5) ? shown : { ...shown, proof: seal(renew(original, random), original.token.prover) };
    },
  },
  "other JSON, signed again": {
    share: 28,
    make: (original, means) => ({
      proof: seal(change(renew(original, means.random), means), original.token.prover),
    }),
  },
};
const DRAW = spread(KINDS);

/** Creates what makes mutants of the proofs of a corpus. */
export function createProofMutants(corpus: ProofCorpus): MakeProofMutant {
  const values = listProofValues(corpus);
  return (random) => {
    const kind = random.pick(DRAW);
    const { service, token, call, proof, ...parts } = random.pick(corpus.originals);
    const shown: ShownProof = { service, token, call, proof };
    const made = { ...shown, ...KINDS[kind]?.make({ ...shown, ...parts }, { random, corpus, values }) };
    const isChangedAgain = made.proof !== "" && random.chance(0.1);
    const again = isChangedAgain ? random.pick([respell, ...TEXT_MUTATIONS])(made.proof, random) : made.proof;
    return { ...made, proof: again, kind: `proof, ${kind}` };
  };
}
