import type { TestIssuer } from "latchkey/testing";
import type { Corpus, Original } from "./corpus.ts";
import { mutateJson } from "./json-mutations.ts";
import type { Random } from "./random.ts";
import { mutateSignature } from "./signature-mutations.ts";
import { respell, TEXT_MUTATIONS } from "./text-mutations.ts";

/** A token made out of good ones. */
export interface Mutant {
  readonly token: string;
  /** How it was made. */
  readonly kind: string;
  /** Whose key signed it, letter by letter; undefined when it was changed after that, or never signed. */
  readonly signedBy: TestIssuer | undefined;
}

type Make = (original: Original, random: Random, corpus: Corpus) => string | Promise<string>;

const encode = (part: string | Uint8Array): string => Buffer.from(part).toString("base64url");

/** Header, payload, or both. */
function mutateParts(
  { header, payload }: Original,
  random: Random,
): { header: string | Uint8Array; payload: string | Uint8Array } {
  const which = random.pick(["header", "payload", "payload", "both"]);
  return {
    header: which === "payload" ? header : mutateJson("header", header, random),
    payload: which === "header" ? payload : mutateJson("payload", payload, random),
  };
}

const KINDS: Readonly<Record<string, { readonly share: number; readonly make: Make }>> = {
  text: { share: 25, make: ({ token }, random) => random.pick(TEXT_MUTATIONS)(token, random) },
  respelt: { share: 12, make: ({ token }, random) => respell(token, random) },
  spliced: {
    share: 15,
    make: (original, random, { originals }) => {
      const parts = [0, 1, 2].map(
        (at) => (random.chance(0.4) ? random.pick(originals) : original).token.split(".")[at],
      );
      return (
        random.chance(0.8) ? parts : random.pick([parts.toReversed(), parts.slice(1), [...parts, ...parts]])
      ).join(".");
    },
  },
  "other JSON, old signature": {
    share: 15,
    make: (original, random) => {
      const { header, payload } = mutateParts(original, random);
      return `${encode(header)}.${encode(payload)}.${original.token.split(".")[2]}`;
    },
  },
  "other signature": { share: 8, make: ({ token }, random) => mutateSignature(token, random) },
  "other JSON, another's key": {
    share: 5,
    make: (original, random, { issuers }) => {
      const others = issuers.filter((issuer) => issuer !== original.issuer);
      const parts = random.chance(0.3) ? original : mutateParts(original, random);
      return random.pick(others).forge({ header: parts.header, payload: parts.payload });
    },
  },
  "other JSON, signed again": {
    share: 20,
    make: (original, random) => original.issuer.forge(mutateParts(original, random)),
  },
};
const DRAW = Object.entries(KINDS).flatMap(([kind, { share }]) => Array<string>(share).fill(kind));

/** Makes the mutant that a case's choices lead to. */
export async function makeMutant(corpus: Corpus, random: Random): Promise<Mutant> {
  const kind = random.pick(DRAW);
  const original = random.pick(corpus.originals);
  const made = (await KINDS[kind]?.make(original, random, corpus)) ?? "";
  const token = made !== "" && random.chance(0.1) ? random.pick([respell, ...TEXT_MUTATIONS])(made, random) : made;
  const isSignedAgain = kind === "other JSON, signed again" && token === made;
  return { token, kind, signedBy: isSignedAgain ? original.issuer : undefined };
}
