import { ODD_VALUES, type Values } from "./json-values.ts";
import type { Random } from "./random.ts";
import { TEXT_MUTATIONS } from "./text-mutations.ts";

/** Name and value of a member as they stand in JSON: two members may have one name, and a name many spellings. */
type Member = readonly [name: string, value: string];
type MemberMutation = (members: readonly Member[], random: Random, values: Values) => readonly Member[];

const anyMember = (values: Values, random: Random): Member => {
  const name = random.pick(Object.keys(values));
  return [JSON.stringify(name), random.pick(values[name] ?? ODD_VALUES)];
};
/** A value for a member: one that its name calls for, or any other. */
const anyValue = (name: string, values: Values, random: Random): string => {
  const plain = name.slice(1, -1);
  const own = Object.hasOwn(values, plain) && random.chance(0.7) ? values[plain] : undefined;
  return random.pick(own ?? ODD_VALUES);
};
const escapeName = (name: string, random: Random): string => {
  const at = 1 + random.int(Math.max(1, name.length - 2));
  return `${name.slice(0, at)}\\u${name.charCodeAt(at).toString(16).padStart(4, "0")}${name.slice(at + 1)}`;
};
const change = (
  members: readonly Member[],
  random: Random,
  how: (member: Member) => readonly Member[],
): readonly Member[] => {
  const at = random.int(members.length);
  return members.flatMap((member, index) => (index === at ? how(member) : [member]));
};

const setAnyMember: MemberMutation = (members, random, values) => {
  const [name, value] = anyMember(values, random);
  return [...members.filter((member) => member[0] !== name), [name, value]];
};

const MEMBER_MUTATIONS: readonly MemberMutation[] = [
  (members, random, values) => change(members, random, ([name]) => [[name, anyValue(name, values, random)]]),
  setAnyMember,
  (members, random, values) => [...members, anyMember(values, random)],
  (members, random, values) => [anyMember(values, random), ...members],
  (members, random) => change(members, random, () => []),
  (members, random) => change(members, random, (member) => [member, member]),
  (members, random, values) =>
    change(members, random, ([name, v]) => [
      [name, anyValue(name, values, random)],
      [name, v],
    ]),
  (members, random) => change(members, random, ([name, value]) => [[escapeName(name, random), value]]),
  (members, random) =>
    change(members, random, ([name, v]) => [
      [name, v],
      [escapeName(name, random), v],
    ]),
  (members, random) =>
    change(members, random, ([name, v]) => [[random.pick([name.toUpperCase(), `" ${name.slice(1)}`]), v]]),
  (members, random) => {
    const at = random.int(members.length);
    return [...members.slice(at), ...members.slice(0, at)];
  },
];

/** Changes to the text or the bytes of a JSON object. */
const WRAPPINGS: readonly ((json: string, random: Random) => Json)[] = [
  (json, random) =>
    random.pick([`[${json}]`, `${json}${json}`, `${json} `, `\ufeff${json}`, `${json}\0`, "null", "[]", "{}"]),
  (json, random) =>
    random.pick([`${json}//`, `/**/${json}`, json.replace("}", ",}"), json.replaceAll('"', "'"), ` ${json}`]),
  (json, random) => json.replaceAll(",", random.pick([" , ", ",\n", ",,", "\t,"])),
  (json, random) => json.replaceAll(":", random.pick([": ", " :", "::", ":\r\n"])),
  (json, random) => random.pick(TEXT_MUTATIONS)(json, random),
  (json, random) => {
    const bytes = new TextEncoder().encode(json);
    const at = random.int(bytes.length);
    bytes[at] = random.int(256);
    return bytes;
  },
];

/** Text or bytes that are, or once were, JSON. */
export type Json = string | Uint8Array;

/** What a token is made of, before it is encoded. */
export interface JsonParts {
  readonly header: Json;
  readonly payload: Json;
}

/** Gives what is to be signed of a token. */
export function encodeParts({ header, payload }: JsonParts): string {
  return [header, payload].map((part) => Buffer.from(part).toString("base64url")).join(".");
}

/**
 * Changes the JSON of an object, such as to mean something else, the same, or nothing.
 *
 * @param values - Values to put there, by the name of their member.
 */
export function mutateJson(json: string, values: Values, random: Random): Json {
  if (random.chance(0.15)) return random.pick(WRAPPINGS)(json, random);
  let members = readMembers(json);
  do members = random.pick(MEMBER_MUTATIONS)(members, random, values);
  while (members.length > 0 && random.chance(0.3));
  return writeMembers(members);
}

/** Sets one member of an object to one of its values, and leaves the others as they are. */
export function setMember(json: string, values: Values, random: Random): string {
  return writeMembers(setAnyMember(readMembers(json), random, values));
}

/** Changes header, payload, or both, each in its own way. */
export function mutateParts(
  parts: { readonly header: string; readonly payload: string },
  ways: { readonly header: (json: string) => Json; readonly payload: (json: string) => Json },
  random: Random,
): JsonParts {
  const which = random.pick(["header", "payload", "payload", "both"]);
  return {
    header: which === "payload" ? parts.header : ways.header(parts.header),
    payload: which === "header" ? parts.payload : ways.payload(parts.payload),
  };
}

function readMembers(json: string): readonly Member[] {
  return Object.entries(JSON.parse(json) as object).map(([name, value]) => [
    JSON.stringify(name),
    JSON.stringify(value),
  ]);
}

function writeMembers(members: readonly Member[]): string {
  return `{${members.map((member) => member.join(":")).join(",")}}`;
}
