/** What is read of a part of a token: its object, or undefined for anything that two readers could read differently. */
export type JsonObject = Readonly<Record<string, unknown>>;

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/gs;
const MAX_DEPTH = 16;
const MAX_VALUES = 512;

/**
 * Reads an object in canonical base64url. Knows nothing of the code that it is held against: it goes by the tokens of JSON
 * and keeps the names of each object that is open.
 */
export function readObject(part: string): JsonObject | undefined {
  const bytes = Buffer.from(part, "base64url");
  if (bytes.toString("base64url") !== part) return undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!isWithinLimits(text)) return undefined;
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value) || hasTwins(text)) return undefined;
    return isSound(value) ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether an object is small enough, and not nested too deeply. */
export function isWithinLimits(text: string): boolean {
  const tokens = text.match(TOKENS) ?? [];
  const values = tokens.filter((token) => token === "," || token === "{" || token === "[").length;
  let depth = 0;
  let deepest = 0;
  for (const token of tokens) {
    if (token === "{" || token === "[") deepest = Math.max(deepest, ++depth);
    else if (token === "}" || token === "]") depth--;
  }
  return values <= MAX_VALUES && deepest <= MAX_DEPTH;
}

/** Whether an object has two members with one name, however they are spelt. */
export function hasTwins(text: string): boolean {
  const open: Set<string>[] = [];
  let last = "";
  for (const token of text.match(TOKENS) ?? []) {
    if (token === "{" || token === "[") open.push(new Set());
    else if (token === "}" || token === "]") open.pop();
    else if (token === ":") {
      const names = open.at(-1);
      const name = JSON.parse(last) as string;
      if (names?.has(name) === true) return true;
      names?.add(name);
    }
    last = token;
  }
  return false;
}

/** A member of an object; undefined for what it only inherits. */
export function own(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** A member that is a text and not empty. */
export function textOf(object: JsonObject, name: string): string | undefined {
  const value = own(object, name);
  return typeof value === "string" && value !== "" ? value : undefined;
}

function isSound(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  return Object.keys(value).every(isSound) && Object.values(value).every(isSound);
}
