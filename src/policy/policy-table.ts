import {
  assertBoolean,
  assertFunction,
  assertNonEmptyString,
  assertNonEmptyStrings,
  assertPositiveInteger,
  typeName,
} from "../lib/options.js";
import type { AccessPolicy, PolicyTable } from "./access-policy.js";

type Field = keyof AccessPolicy;

/** What can stand among others between the quotes of a challenge, and is read there: clients do not read any length. */
const ACR_VALUE = /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/;
const ACR_LIMITS = { values: 16, characters: 2_048, maxAgeSeconds: 999_999_999 } as const;

const FIELD_CHECKS: Readonly<Record<Field, (field: string, value: unknown) => void>> = {
  public: assertBoolean,
  anyRole: assertNonEmptyStrings,
  allRoles: assertNonEmptyStrings,
  scopes: assertNonEmptyStrings,
  orgField: assertNonEmptyString,
  condition: assertNonEmptyString,
  acrValues: assertAcrValues,
  maxAgeSeconds: assertMaxAge,
  orgs: assertNonEmptyStrings,
  allow: assertFunction,
};
const KEY = /^[\w.]+\/(?:\w+|\*)$/;

/**
 * Reads a policy table: checks every entry and copies it, so that a later change of the table changes no rule.
 *
 * @returns The entries by key, frozen.
 * @throws TypeError that names the entry and the field, when a key has another form than `pkg.Service/Method` or
 * `pkg.Service/*`, a field is unknown or of another type, or a list is empty: it would admit nobody or anybody,
 * depending on who reads it.
 * @throws RangeError that names the entry and the field, when a number is out of range.
 */
export function parsePolicyTable(table: PolicyTable): ReadonlyMap<string, AccessPolicy> {
  const policies = new Map<string, AccessPolicy>();
  for (const [key, policy] of Object.entries(table)) {
    if (!KEY.test(key)) {
      throw new TypeError(`policy["${key}"] is not of the form "pkg.Service/Method" or "pkg.Service/*"`);
    }
    policies.set(key, parseAccessPolicy(`policy["${key}"]`, policy));
  }
  return policies;
}

/**
 * Reads one policy: checks and copies it.
 *
 * @param where - What to call it in an error.
 * @throws TypeError or RangeError as {@link parsePolicyTable} does, or when `public` is joined by another field.
 */
export function parseAccessPolicy(where: string, policy: AccessPolicy): AccessPolicy {
  if (typeof policy !== "object" || policy === null || Array.isArray(policy)) {
    throw new TypeError(`${where} must be an object, got ${typeName(policy)}`);
  }
  const given = Object.entries(policy).filter(([, value]) => value !== undefined);
  for (const [field, value] of given) {
    // A misspelt field would otherwise be a rule that is not there.
    if (!isField(field)) throw new TypeError(`${where}.${field} is not a field of a policy`);
    FIELD_CHECKS[field](`${where}.${field}`, value);
  }
  if (policy.public === true && given.length > 1) {
    const others = given.map(([field]) => field).filter((field) => field !== "public");
    throw new TypeError(`${where}: public excludes every other field, got ${others.join(", ")}`);
  }
  const copy = given.map(([field, value]) => [field, Array.isArray(value) ? Object.freeze([...value]) : value]);
  return Object.freeze(Object.fromEntries(copy));
}

function assertAcrValues(field: string, value: unknown): void {
  assertNonEmptyStrings(field, value);
  value.forEach((entry, index) => {
    if (ACR_VALUE.test(entry)) return;
    throw new TypeError(
      `${field}[${index}] must be visible ASCII without quotes and backslashes, 256 characters at most`,
    );
  });
  if (value.length > ACR_LIMITS.values || value.join(" ").length > ACR_LIMITS.characters) {
    throw new RangeError(
      `${field} must be at most ${ACR_LIMITS.values} values of ${ACR_LIMITS.characters} characters together`,
    );
  }
}

function assertMaxAge(field: string, value: unknown): void {
  assertPositiveInteger(field, value as number);
  if ((value as number) > ACR_LIMITS.maxAgeSeconds) {
    throw new RangeError(`${field} must be at most ${ACR_LIMITS.maxAgeSeconds}`);
  }
}

function isField(name: string): name is Field {
  return Object.hasOwn(FIELD_CHECKS, name);
}
