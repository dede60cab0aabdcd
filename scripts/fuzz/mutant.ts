import type { TestIssuer } from "latchkey/testing";
import type { Corpus, Original } from "./corpus.ts";
import { encodeParts, type JsonParts, mutateJson, mutateParts } from "./json-mutations.ts";
import { HEADER_VALUES, payloadValues } from "./json-values.ts";
import { type Random, spread } from "./random.ts";
import { mutateSignature } from "./signature-mutations.ts";
import { respell, splice, TEXT_MUTATIONS } from "./text-mutations.ts";

/** A token made out of good ones. */
export interface Mutant {
  readonly token: string;
  /** How it was made. */
  readonly kind: string;
  /** Whose key signed it, letter by letter; undefined when it was changed after that, or never signed. */
  readonly signedBy: TestIssuer | undefined;
}

type Make = (original: Original, random: Random, corpus: Corpus) => string | Promise<string>;

const change = (parts: Original, random: Random): JsonParts =>
  mutateParts(
    parts,
    {
      header: (json) => mutateJson(json, HEADER_VALUES, random),
      payload: (json) => mutateJson(json, payloadValues(Math.floor(Date.now() / 1_000)), random),
    },
    random,
  );

const KINDS: Readonly<Record<string, { readonly share: number; readonly make: Make }>> = {
  text: { share: 25, make: ({ token }, random) => random.pick(TEXT_MUTATIONS)(token, random) },
  respelt: { share: 12, make: ({ token }, random) => respell(token, random) },
  spliced: {
    share: 15,
    make: ({ token }, random, { originals }) => splice(token, () => random.pick(originals).token, random),
  },
  "other JSON, old signature": {
    share: 15,
    make: (original, random) => {
      const input = encodeParts(change(original, random));
      return `${input}.${original.token.split(".")[2]}`;
    },
  },
  "other signature": { share: 8, make: ({ token }, random) => mutateSignature(token, random) },
  "other JSON, another's key": {
    share: 5,
    make: (original, random, { issuers }) => {
      const others = issuers.filter((issuer) => issuer !== original.issuer);
      const parts = random.chance(0.3) ? original : change(original, random);
      return random.pick(others).forge({ header: parts.header, payload: parts.payload });
    },
  },
  "other JSON, signed again": {
    share: 20,
    make: (original, random) => original.issuer.forge(change(original, random)),
  },
};
const DRAW = spread(KINDS);

/** Makes the mutant that a case's choices lead to. */
export async function makeMutant(corpus: Corpus, random: Random): Promise<Mutant> {
  const kind = random.pick(DRAW);
  const original = random.pick(corpus.originals);
  const made = (await KINDS[kind]?.make(original, random, corpus)) ?? "";
  const token = made !== "" && random.chance(0.1) ? random.pick([respell, ...TEXT_MUTATIONS])(made, random) : made;
  const isSignedAgain = kind === "other JSON, signed again" && token === made;
  return { token, kind, signedBy: isSignedAgain ? original.issuer : undefined };
}
