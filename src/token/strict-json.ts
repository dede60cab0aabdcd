/**
 * JSON as a security token may contain it: no member twice, no deep nesting, no text that is not Unicode.
 *
 * Spec: RFC 8259 section 4 leaves members that occur twice to each parser; where two parsers of one request differ, an
 * attacker has two tokens in one. RFC 7519 section 4 allows to reject them.
 */

/** Nesting of objects and arrays beyond this is refused; printing or cloning a deeper value could exhaust the stack. */
export const MAX_JSON_DEPTH = 16;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What else {@link parseStrictJsonObject} refuses. */
export interface StrictJsonLimits {
  /**
   * Most members and array entries, nested ones included: many small values take far longer to parse than as many bytes of
   * one text. @defaultValue no limit
   */
  readonly maxValues?: number;
}

/**
 * Parses UTF-8 encoded JSON whose outermost value is an object.
 *
 * @returns The object, deeply frozen. A member named `__proto__` is a member like any other: read with `Object.hasOwn`.
 * Undefined when the bytes are not UTF-8, begin with a byte order mark, are not JSON, hold another value than an
 * object, repeat a member, nest too deeply, hold too many values, or contain a lone surrogate or a number that is not
 * finite.
 */
export function parseStrictJsonObject(
  bytes: Uint8Array,
  { maxValues = Number.POSITIVE_INFINITY }: StrictJsonLimits = {},
): Readonly<Record<string, unknown>> | undefined {
  let value: unknown;
  let membersWritten: number | undefined;
  try {
    const text = UTF8.decode(bytes);
    membersWritten = countMembersWritten(bytes, maxValues);
    if (membersWritten === undefined) return undefined;
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  // Of members with one name JSON.parse keeps the last, and drops what the others contained.
  if (freeze(value) !== membersWritten) return undefined;
  return value as Readonly<Record<string, unknown>>;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/**
 * Counts the members of all objects in any text that JSON.parse accepts afterwards. Runs before it, so that depth and
 * number of values are bounded by the time that anything recursive, or slow, sees the text.
 *
 * Works on bytes: none of a character beyond ASCII is one of those looked for.
 *
 * @returns The number; undefined when the text nests too deeply, or holds too many values.
 */
function countMembersWritten(bytes: Uint8Array, maxValues: number): number | undefined {
  let depth = 0;
  let members = 0;
  let values = 0;
  for (let index = 0; index < bytes.length; index++) {
    switch (bytes[index]) {
      case QUOTE:
        index = endOfString(bytes, index);
        break;
      case COLON:
        members++;
        break;
      case COMMA:
        if (++values > maxValues) return undefined;
        break;
      case OPENING_BRACE:
      case OPENING_BRACKET:
        // Its first value, or itself when it is empty.
        if (++values > maxValues || ++depth > MAX_JSON_DEPTH) return undefined;
        break;
      case CLOSING_BRACE:
      case CLOSING_BRACKET:
        depth--;
        break;
    }
  }
  return members;
}

/** Index of the closing quote of the string that opens at `start`; one past the end when there is none. */
function endOfString(bytes: Uint8Array, start: number): number {
  let index = start + 1;
  for (; index < bytes.length; index++) {
    const byte = bytes[index];
    if (byte === QUOTE) return index;
    if (byte === BACKSLASH) index++;
  }
  return index;
}

/** Freezes a value all the way down; gives how many members its objects have, or NaN if it must not be there. */
function freeze(value: unknown): number {
  if (typeof value === "string") return value.isWellFormed() ? 0 : Number.NaN;
  if (typeof value === "number") return Number.isFinite(value) ? 0 : Number.NaN;
  if (typeof value !== "object" || value === null) return 0;
  Object.freeze(value);
  let members = 0;
  if (Array.isArray(value)) {
    for (const entry of value) members += freeze(entry);
    return members;
  }
  for (const name of Object.keys(value)) {
    members += name.isWellFormed() ? 1 : Number.NaN;
    members += freeze((value as Record<string, unknown>)[name]);
  }
  return members;
}
