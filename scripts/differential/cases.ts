import { hostileTokens, type TestIssuer } from "latchkey/testing";
import type { Corpus } from "../fuzz/corpus.ts";
import { HEADER_VALUES, ODD_VALUES, payloadValues } from "../fuzz/json-values.ts";
import { makeMutant } from "../fuzz/mutant.ts";
import { createRandom } from "../fuzz/random.ts";
import { mutateSignature } from "../fuzz/signature-mutations.ts";
import { respell } from "../fuzz/text-mutations.ts";
import { BLANK_KID, forgeWithWeakKey } from "./odd-keys.ts";

const SPELLINGS = 200;

/** Texts of JSON around those of a good part. */
const ODD_TEXTS: readonly ((json: string) => string | Uint8Array)[] = [
  (json) => `\ufeff${json}`,
  (json) => `${json} `,
  (json) => `${json}${json}`,
  (json) => `[${json}]`,
  (json) => json.replace("{", '{"sub":"root",'),
  (json) => json.replace("}", ',"sub":"root"}'),
  (json) => json.replace("}", ',"alg":"none"}'),
  (json) => json.replace("}", ',"s\\u0075b":"root"}'),
  (json) => json.replace("}", ',"x":"\\ud800"}'),
  (json) => Buffer.concat([Buffer.from(json.replace("}", ',"x":"')), Buffer.from([0xff]), Buffer.from('"}')]),
];

/** Tokens in the name of one issuer, most of them signed with its key: made by hand, in all combinations, and by chance. */
export async function* makeCases(
  issuer: TestIssuer,
  corpus: Corpus,
  count: number,
  seed: number,
): AsyncGenerator<string> {
  yield await issuer.mint();
  yield await forgeWithWeakKey(issuer);
  yield await issuer.mint({ header: { kid: BLANK_KID } });
  for (const { token } of await hostileTokens(issuer)) yield token;
  const originals = corpus.originals.filter((original) => original.issuer === issuer);
  const [{ token = "", header = "", payload = "" } = {}] = originals;
  for (let turn = 0; turn < SPELLINGS; turn++) {
    yield respell(token, createRandom(0, turn));
    yield mutateSignature(token, createRandom(0, turn));
  }
  for (const write of ODD_TEXTS) {
    yield await issuer.forge({ payload: write(payload) });
    yield await issuer.forge({ header: write(header) });
  }
  for (const [part, json, values] of [
    ["header", header, HEADER_VALUES],
    ["payload", payload, payloadValues(Math.floor(Date.now() / 1_000))],
  ] as const) {
    for (const [name, own] of Object.entries(values)) {
      for (const value of ["", ...own, ...ODD_VALUES])
        yield await issuer.forge({ [part]: withMember(json, name, value) });
    }
  }
  for (let index = 0; index < count; index++) {
    yield (await makeMutant({ ...corpus, originals }, createRandom(seed, index))).token;
  }
}

/** Sets one member of an object to a value as it stands in JSON; without one, leaves it out. */
function withMember(json: string, name: string, value: string): string {
  const others = Object.entries(JSON.parse(json) as object).filter(([other]) => other !== name);
  const members = others.map((member) => member.map((text: unknown) => JSON.stringify(text)).join(":"));
  return `{${[...members, ...(value === "" ? [] : [`${JSON.stringify(name)}:${value}`])].join(",")}}`;
}
