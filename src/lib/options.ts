/** Checks of options at construction: each names the field and the accepted range. */

/** Throws unless `value` is a finite number greater than 0. */
export function assertPositive(field: string, value: number): void {
  assertNumber(field, value);
  if (value <= 0) throw new RangeError(`${field} must be a positive finite number, got ${value}`);
}

/** Throws unless `value` is a finite number, 0 or greater. */
export function assertNotNegative(field: string, value: number): void {
  assertNumber(field, value);
  if (value < 0) throw new RangeError(`${field} must be 0 or a positive finite number, got ${value}`);
}

/** Throws unless `value` is an integer greater than 0. */
export function assertPositiveInteger(field: string, value: number): void {
  assertPositive(field, value);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${field} must be an integer, got ${value}`);
}

/** Throws unless `value` is an integer, 0 or greater. */
export function assertCount(field: string, value: number): void {
  assertNotNegative(field, value);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${field} must be an integer, got ${value}`);
}

/** Throws unless `value` is a string with at least one character. */
export function assertNonEmptyString(field: string, value: unknown): asserts value is string {
  if (typeof value !== "string") throw new TypeError(`${field} must be a string, got ${typeName(value)}`);
  if (value === "") throw new TypeError(`${field} must not be empty`);
}

/** Throws unless `value` is an array of strings, none of them empty, with at least one entry. */
export function assertNonEmptyStrings(field: string, value: unknown): asserts value is readonly string[] {
  if (!Array.isArray(value)) throw new TypeError(`${field} must be an array of strings, got ${typeName(value)}`);
  if (value.length === 0) throw new TypeError(`${field} must not be empty`);
  value.forEach((entry, index) => {
    assertNonEmptyString(`${field}[${index}]`, entry);
  });
}

/** Throws unless `value` is a boolean. */
export function assertBoolean(field: string, value: unknown): asserts value is boolean {
  if (typeof value !== "boolean") throw new TypeError(`${field} must be a boolean, got ${typeName(value)}`);
}

/** Throws unless `value` is a function. */
export function assertFunction(field: string, value: unknown): void {
  if (typeof value !== "function") throw new TypeError(`${field} must be a function, got ${typeName(value)}`);
}

/** All fields of a type. A value of this type cannot lack one that the type has, so lists of fields stay whole. */
export type FieldsOf<T> = { readonly [K in keyof Required<T>]: unknown };

/**
 * Throws unless `value` is an object with no other fields than those of its type: one that is misspelt would be ignored.
 */
export function assertFields<T extends object>(field: string, value: T, known: FieldsOf<T>): void {
  const given: unknown = value;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new TypeError(`${field} must be an object, got ${typeName(given)}`);
  }
  const stranger = Object.keys(given).find((name) => !Object.hasOwn(known, name));
  if (stranger === undefined) return;
  // A name that no option could have may be anything, a secret too.
  throw new TypeError(
    /^\w{1,40}$/.test(stranger)
      ? `${field}.${stranger} is not an option`
      : `${field} has a field that is not an option`,
  );
}

/** An object of which no member is undefined. */
export type Defined<T extends object> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Copies an object without members that are undefined: `{ port: undefined }` is how plain JavaScript leaves one out. */
export function withoutUndefined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}

/** Names the type of a value for an error message, telling null and arrays from objects; never shows the value. */
export function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function assertNumber(field: string, value: unknown): asserts value is number {
  // Durations are numbers only: a string such as "5m" that some parser drops would mean "never expires".
  if (typeof value !== "number") throw new TypeError(`${field} must be a number, got ${typeName(value)}`);
  if (!Number.isFinite(value)) throw new RangeError(`${field} must be finite, got ${value}`);
}
