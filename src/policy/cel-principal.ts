import {
  type CelInput,
  type CelMap,
  CelScalar,
  type CelType,
  celMap,
  listType,
  mapType,
  objectType,
} from "@bufbuild/cel";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { withoutUndefined } from "../lib/options.js";
import type { Principal } from "../token/principal.js";
import { TIMESTAMP } from "./cel-types.js";

const { DYN, STRING } = CelScalar;

/** Fields of `principal` and their types. */
const FIELDS = {
  subject: STRING,
  principal_id: STRING,
  org: STRING,
  roles: listType(STRING),
  scopes: listType(STRING),
  issuer: STRING,
  audience: listType(STRING),
  kid: STRING,
  expires_at: TIMESTAMP,
  claims: mapType(STRING, DYN),
} satisfies Record<string, CelType>;

/** Type of `principal`. */
export const PRINCIPAL: CelType = objectType("principal");

/** Fields of {@link PRINCIPAL}, by name. */
export const PRINCIPAL_FIELDS: ReadonlyMap<string, CelType> = new Map<string, CelType>(Object.entries(FIELDS));

/**
 * Gives a principal as CEL sees it. An organisation that it does not have is absent rather than empty: reading it is an
 * error, which refuses, and not a text that a request may have left empty too.
 */
export function toCelPrincipal(principal: Principal): CelMap {
  const fields: Readonly<Record<keyof typeof FIELDS, CelInput | undefined>> = {
    subject: principal.subject,
    principal_id: principal.principalId,
    org: principal.org === "" ? undefined : principal.org,
    roles: [...principal.roles],
    scopes: [...principal.scopes],
    issuer: principal.issuer,
    audience: principal.audience,
    kid: principal.kid,
    expires_at: timestampFromMs(Math.floor(principal.expiresAtMs)),
    claims: fromJson(principal.claims),
  };
  return celMap(new Map<string, CelInput>(Object.entries(withoutUndefined(fields))));
}

/** Objects become maps: a claim named like a member of all objects is a key as any other. */
function fromJson(value: unknown): CelInput {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value !== "object" || value === null) return value as string | number | boolean | null;
  return celMap(new Map<string, CelInput>(Object.entries(value).map(([name, member]) => [name, fromJson(member)])));
}
