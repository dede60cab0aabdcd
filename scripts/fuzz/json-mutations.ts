import { HEADER_VALUES, ODD_VALUES, payloadValues } from "./json-values.ts";
import type { Random } from "./random.ts";
import { TEXT_MUTATIONS } from "./text-mutations.ts";

/** Name and value of a member as they stand in JSON: two members may have one name, and a name many spellings. */
type Member = readonly [name: string, value: string];
type Values = Readonly<Record<string, readonly string[]>>;
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

const MEMBER_MUTATIONS: readonly MemberMutation[] = [
  (members, random, values) => change(members, random, ([name]) => [[name, anyValue(name, values, random)]]),
  (members, random, values) => {
    const [name, value] = anyMember(values, random);
    return [...members.filter((member) => member[0] !== name), [name, value]];
  },
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
const WRAPPINGS: readonly ((json: string, random: Random) => string | Uint8Array)[] = [
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

/** Changes the JSON of a header or a payload, such as to mean something else, the same, or nothing. */
export function mutateJson(part: "header" | "payload", json: string, random: Random): string | Uint8Array {
  if (random.chance(0.15)) return random.pick(WRAPPINGS)(json, random);
  const values = part === "header" ? HEADER_VALUES : payloadValues(Math.floor(Date.now() / 1_000));
  const object = JSON.parse(json) as Record<string, unknown>;
  let members = Object.entries(object).map(([name, value]): Member => [JSON.stringify(name), JSON.stringify(value)]);
  do members = [...random.pick(MEMBER_MUTATIONS)(members, random, values)];
  while (members.length > 0 && random.chance(0.3));
  return `{${members.map((member) => member.join(":")).join(",")}}`;
}
