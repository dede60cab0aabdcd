import { alignColumns } from "../lib/align-columns.js";
import type { AccessPolicy, MethodAccess } from "./access-policy.js";

type Column = readonly [heading: string, describe: (method: MethodAccess) => string];

const COLUMNS: readonly Column[] = [
  ["METHOD", ({ method }) => method],
  ["RULE FROM", ({ source }) => source],
  ["WHO MAY CALL", ({ policy }) => describeCallers(policy)],
];

const OPTIONAL_COLUMNS: readonly Column[] = [
  ["ORG FIELD", ({ policy }) => policy.orgField ?? "-"],
  ["CONDITION", ({ policy }) => policy.condition?.trim().replaceAll(/\s+/g, " ") ?? "-"],
  ["STEP-UP", ({ policy }) => describeStepUp(policy)],
];

/**
 * Formats the rules of a server as a table of text, for people who review who may call what.
 *
 * One line per method in the order given, in aligned columns: the method, where its rule comes from, who may call, the
 * field of the request that names the caller's organisation, the condition, and how the subject must have authenticated.
 * What a rule does not ask for is a dash, and a column that would hold dashes alone is left out. A condition is on one
 * line, whatever line breaks it has.
 *
 * @example
 * ```ts
 * import { createServerAuth, formatAccess } from "latchkey/server";
 *
 * const auth = createServerAuth({
 *   issuers: [{ issuer: "https://idp.example", audience: "jobs", algorithms: ["ES256"], discovery: true }],
 * });
 * // Once routes are mounted:
 * console.log(formatAccess(auth.audit()));
 * ```
 *
 * @param methods - What {@link ServerAuth.audit} gives.
 * @returns Lines without a line break after the last.
 */
export function formatAccess(methods: readonly MethodAccess[]): string {
  const used = OPTIONAL_COLUMNS.filter(([, describe]) => methods.some((method) => describe(method) !== "-"));
  const columns = [...COLUMNS, ...used];
  const rows = methods.map((method) => columns.map(([, describe]) => describe(method)));
  return alignColumns([columns.map(([heading]) => heading), ...rows]);
}

function describeCallers(policy: AccessPolicy): string {
  if (policy.public === true) return "anyone, without a token too";
  const { anyRole, allRoles, scopes, orgs, allow } = policy;
  const demands = [
    ...(anyRole === undefined ? [] : [`role ${anyRole.join(" or ")}`]),
    ...(allRoles === undefined ? [] : [`role ${allRoles.join(" and ")}`]),
    ...(scopes === undefined ? [] : [`scope ${scopes.join(" and ")}`]),
    ...(orgs === undefined ? [] : [`org ${orgs.join(" or ")}`]),
    ...(allow === undefined ? [] : ["allow()"]),
  ];
  return demands.length === 0 ? "every authenticated caller" : demands.join("; ");
}

function describeStepUp({ acrValues, maxAgeSeconds }: AccessPolicy): string {
  const demands = [
    ...(acrValues === undefined ? [] : [`acr ${acrValues.join(" or ")}`]),
    ...(maxAgeSeconds === undefined ? [] : [`at most ${maxAgeSeconds} s ago`]),
  ];
  return demands.length === 0 ? "-" : demands.join(", ");
}
