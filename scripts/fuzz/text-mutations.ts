import type { Random } from "./random.ts";

/** Changes a text without knowing what it means. */
export type TextMutation = (text: string, random: Random) => string;

const BASE64URL = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"];
const FOREIGN = [
  ..."=+/.,:;%{}\"' \t\r\n\0\u007f\u00a0é✓\ud800\udfff\ufeff\u200b\u017f\u212a",
  "..",
  "%2E",
  "\r\nX-A: b",
  "🔑",
];

const cut = (text: string, from: number, to: number, put: string): string => text.slice(0, from) + put + text.slice(to);
/** A stretch of the text, mostly a short one. */
const stretch = (text: string, random: Random): [from: number, to: number] => {
  const from = random.int(text.length + 1);
  return [from, Math.min(text.length, from + 1 + random.int(random.chance(0.2) ? text.length : 4))];
};

/** Changes to any text. */
export const TEXT_MUTATIONS: readonly TextMutation[] = [
  // A bit of one character: its neighbour in the alphabet, its other case, or nothing of the alphabet at all.
  (text, random) => {
    const at = random.int(text.length);
    return cut(text, at, at + 1, String.fromCharCode(text.charCodeAt(at) ^ (1 << random.int(8))));
  },
  (text, random) => {
    const at = random.int(text.length);
    return cut(text, at, at + 1, random.pick(BASE64URL));
  },
  (text, random) => {
    const at = random.int(text.length + 1);
    return cut(text, at, at, random.pick(random.chance(0.5) ? BASE64URL : FOREIGN));
  },
  (text, random) => cut(text, ...stretch(text, random), ""),
  (text, random) => {
    const [from, to] = stretch(text, random);
    return cut(text, to, to, text.slice(from, to));
  },
  (text, random) => {
    const [from, to] = stretch(text, random);
    return cut(text, from, to, [...text.slice(from, to)].reverse().join(""));
  },
  (text, random) => text.slice(0, random.int(text.length)),
  (text, random) => text.slice(random.int(text.length)),
  (text, random) => random.pick([`${text}.`, `.${text}`, `${text}${text}`, `${text}.${text}`, `${text},${text}`]),
  (text, random) => random.pick([text.toLowerCase(), text.toUpperCase(), ` ${text}`, `${text}\n`, `"${text}"`, ""]),
  (text, random) => text + random.pick([".", "A", "=", " "]).repeat(random.int(12_000)),
];

/** Other spellings of the bytes of one part of a token, in base64url or what decoders take for it. */
const RESPELLINGS: readonly TextMutation[] = [
  (part) => part.replaceAll("-", "+").replaceAll("_", "/"),
  (part) => part.padEnd(Math.ceil(part.length / 4) * 4, "="),
  (part, random) => part + random.pick(["=", "==", "===", "A", "AA", "\n", " ", "\0"]),
  // Bits that no byte is made of.
  (part, random) => {
    const unused = [0, 0, 4, 2][part.length % 4] ?? 0;
    const last = BASE64URL.indexOf(part.at(-1) ?? "");
    return part.slice(0, -1) + (BASE64URL[last ^ random.int(1 << unused)] ?? "");
  },
  (part, random) => {
    const at = random.int(part.length + 1);
    return cut(part, at, at, random.pick(["\n", "\r\n", " ", "\t", "=", "\u200b", "%", "\ufeff"]));
  },
  (part, random) => {
    const at = random.int(part.length);
    return cut(part, at, at + 1, `%${part.charCodeAt(at).toString(16)}`);
  },
  // The low byte, which is all that some decoders look at, stays.
  (part, random) => {
    const at = random.int(part.length);
    return cut(part, at, at + 1, String.fromCharCode(part.charCodeAt(at) | ((1 + random.int(255)) << 8)));
  },
];

/** Spells one part of a token in another way. */
export const respell: TextMutation = (token, random) => {
  const parts = token.split(".");
  const at = random.int(parts.length);
  return parts.with(at, random.pick(RESPELLINGS)(parts[at] ?? "", random)).join(".");
};

/** Puts a token together from its own parts and those of others. */
export function splice(token: string, pickOther: () => string, random: Random): string {
  const parts = [0, 1, 2].map((at) => (random.chance(0.4) ? pickOther() : token).split(".")[at]);
  return (random.chance(0.8) ? parts : random.pick([parts.toReversed(), parts.slice(1), [...parts, ...parts]])).join(
    ".",
  );
}
