/**
 * JSON as a security token may contain it: no member twice, no deep nesting, no text that is not Unicode.
 *
 * Spec: RFC 8259 section 4 leaves members that occur twice to each parser; where two parsers of one request differ, an
 * attacker has two tokens in one. RFC 7519 section 4 allows to reject them.
 */

/** Nesting of objects and arrays beyond this is refused; printing or cloning a deeper value could exhaust the stack. */
export const MAX_JSON_DEPTH = 16;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Parses UTF-8 encoded JSON whose outermost value is an object.
 *
 * @returns The object, deeply frozen. A member named `__proto__` is a member like any other: read with `Object.hasOwn`.
 * Undefined when the bytes are not UTF-8, begin with a byte order mark, are not JSON, hold another value than an
 * object, repeat a member, nest too deeply, or contain a lone surrogate or a number that is not finite.
 */
export function parseStrictJsonObject(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  let value: unknown;
  try {
    const text = UTF8.decode(bytes);
    if (!isFlatAndUnique(text)) return undefined;
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value) || !freeze(value)) return undefined;
  return value as Readonly<Record<string, unknown>>;
}

/**
 * Looks at brackets, strings and colons alone: enough to see nesting and repeated members in any text that JSON.parse
 * accepts afterwards. Runs before it, so that the depth is bounded by the time anything recursive sees the text.
 */
function isFlatAndUnique(text: string): boolean {
  // The members met so far of each object that is open; undefined stands for an open array.
  const open: (Set<string> | undefined)[] = [];
  let index = 0;
  while (index < text.length) {
    const char = text[index];
    if (char === '"') {
      const end = endOfString(text, index);
      if (end === -1) return false;
      const members = open.at(-1);
      if (members !== undefined && isFollowedByColon(text, end)) {
        const name: unknown = JSON.parse(text.slice(index, end));
        if (typeof name !== "string" || members.has(name)) return false;
        members.add(name);
      }
      index = end;
      continue;
    }
    if (char === "{" || char === "[") {
      open.push(char === "{" ? new Set() : undefined);
      if (open.length > MAX_JSON_DEPTH) return false;
    } else if (char === "}" || char === "]") {
      open.pop();
    }
    index++;
  }
  return true;
}

/** Index behind the closing quote of the string that opens at `start`, or -1. */
function endOfString(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index++) {
    if (text[index] === "\\") index++;
    else if (text[index] === '"') return index + 1;
  }
  return -1;
}

function isFollowedByColon(text: string, from: number): boolean {
  let index = from;
  while (text[index] === " " || text[index] === "\t" || text[index] === "\n" || text[index] === "\r") index++;
  return text[index] === ":";
}

/** Freezes a value all the way down. False when a text in it is not Unicode or a number not finite. */
function freeze(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  Object.freeze(value);
  for (const [name, member] of Object.entries(value)) {
    if (!name.isWellFormed() || !freeze(member)) return false;
  }
  return true;
}
