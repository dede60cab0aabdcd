import { TokenRejectedError } from "../errors.js";
import type { ClaimNames } from "../token/claim-names.js";
import { type Claims, isStrings, readClaim } from "../token/claims.js";
import type { Principal } from "../token/principal.js";
import { createFrozenSet } from "./frozen-set.js";
import type { TrustedPrincipal } from "./trusted-issuer.js";

/** A verified token, as far as a {@link Principal} is made of it. */
export interface VerifiedToken {
  /** Its claims, deeply frozen. */
  readonly claims: Claims;
  /** "iss". */
  readonly issuer: string;
  /** "aud", as an array. */
  readonly audience: readonly string[];
  /** "kid" of the key that verified it. */
  readonly kid: string;
  /** "exp", in milliseconds since the epoch. */
  readonly expiresAtMs: number;
}

/**
 * Makes the principal of a token whose signature was verified.
 *
 * A claim of an unexpected type grants nothing: roles come from an array of strings alone, an organisation from a
 * non-empty string. With a record of the key's holder, the record decides: see {@link TrustedKey.principal}.
 *
 * @param names - Which claims carry what.
 * @param record - What is on record about the holder of the key.
 * @throws TokenRejectedError `ERR_TOKEN_CLAIMS` without a usable "sub", for a principal claim that is no string, or when
 * the token claims more than the record.
 */
export function buildPrincipal(token: VerifiedToken, names: ClaimNames, record?: TrustedPrincipal): Principal {
  const { claims, issuer, audience, kid, expiresAtMs } = token;
  const subject = readText(claims, "sub");
  if (subject === undefined) throw new TokenRejectedError("ERR_TOKEN_CLAIMS", 'The token has no usable "sub"');
  const identity =
    record === undefined ? readIdentity(claims, names, subject) : narrowIdentity(claims, names, subject, record, kid);
  return Object.freeze({
    subject,
    ...identity,
    issuer,
    audience: Object.freeze([...audience]),
    kid,
    expiresAtMs,
    claims,
  });
}

type Identity = Pick<Principal, "principalId" | "org" | "roles" | "scopes">;

function readIdentity(claims: Claims, names: ClaimNames, subject: string): Identity {
  const roles = readClaim(claims, names.roles);
  return {
    principalId: readPrincipalId(claims, names) ?? subject,
    org: readText(claims, names.org),
    roles: createFrozenSet(isStrings(roles) ? roles : []),
    scopes: createFrozenSet(readText(claims, names.scope)?.split(" ").filter(Boolean) ?? []),
  };
}

function narrowIdentity(
  claims: Claims,
  names: ClaimNames,
  subject: string,
  { principalId, org, roles: recorded }: TrustedPrincipal,
  kid: string,
): Identity {
  const claimOr = (name: string, value: unknown): unknown => (Object.hasOwn(claims, name) ? claims[name] : value);
  const roles = claimOr(names.roles, recorded);
  const narrows =
    (subject === kid || subject === principalId) &&
    claimOr(names.principal, principalId) === principalId &&
    claimOr(names.org, org) === org &&
    isStrings(roles) &&
    roles.every((role) => recorded.includes(role));
  if (!narrows) throw new TokenRejectedError("ERR_TOKEN_CLAIMS", "The token claims more than its key's holder has");
  // No scope is on record, so none can be narrowed: the holder of the key would grant scopes to himself.
  return { principalId, org, roles: createFrozenSet(roles), scopes: createFrozenSet([]) };
}

function readPrincipalId(claims: Claims, names: ClaimNames): string | undefined {
  const claimed = readText(claims, names.principal);
  // Falling back to "sub" for a value that cannot be read could make one caller another.
  if (claimed === undefined && Object.hasOwn(claims, names.principal)) {
    throw new TokenRejectedError("ERR_TOKEN_CLAIMS", "The claim that names the principal is not a text");
  }
  return claimed;
}

function readText(claims: Claims, name: string): string | undefined {
  const value = readClaim(claims, name);
  return typeof value === "string" && value !== "" ? value : undefined;
}
