import { typeName } from "../lib/options.js";

/**
 * Copies members that the user gives to a token.
 *
 * @param taken - Names that the token sets itself.
 * @throws TypeError if `members` is no object, has a name that is taken, or is not JSON.
 */
export function copyMembers(
  field: string,
  members: Readonly<Record<string, unknown>>,
  taken: ReadonlySet<string>,
): Readonly<Record<string, unknown>> {
  if (typeof members !== "object" || members === null || Array.isArray(members)) {
    throw new TypeError(`${field} must be an object, got ${typeName(members)}`);
  }
  for (const name of Object.keys(members)) {
    if (taken.has(name)) throw new TypeError(`${field} must not have "${name}": the token sets it itself`);
  }
  // A text and back: what the token will say is fixed now, and what JSON cannot say fails now.
  return JSON.parse(JSON.stringify(members)) as Record<string, unknown>;
}
