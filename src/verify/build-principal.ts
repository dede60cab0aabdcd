import { TokenRejectedError } from "../errors.js";
import type { ClaimNames } from "../token/claim-names.js";
import { type Claims, isStrings, readClaimAt } from "../token/claims.js";
import type { Principal } from "../token/principal.js";
import { createFrozenSet } from "./frozen-set.js";
import type { TrustedPrincipal } from "./trusted-issuer.js";

/** A token whose signature is good, as far as a {@link Principal} is made of it. */
export interface SignedToken {
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
export function buildPrincipal(token: SignedToken, names: ClaimNames, record?: TrustedPrincipal): Principal {
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
    ...readActor(token, claims),
  });
}

/**
 * RFC 8693 section 4.1: who acts for the subject, and for whom that one acts in turn. It has no rights of its own here:
 * the outermost subject's count. An actor that cannot be told is refused, for without one the subject seems to act itself.
 */
function readActor(token: SignedToken, claims: Claims): { readonly actor?: Principal } {
  const act = readClaimAt(claims, "act");
  if (act === undefined) return {};
  if (typeof act !== "object" || act === null || Array.isArray(act)) throw unreadableActor();
  const own = act as Claims;
  const subject = readText(own, "sub");
  if (subject === undefined) throw unreadableActor();
  const actor: Principal = Object.freeze({
    subject,
    principalId: subject,
    org: undefined,
    roles: createFrozenSet([]),
    scopes: createFrozenSet([]),
    issuer: readText(own, "iss") ?? token.issuer,
    audience: Object.freeze([]),
    kid: token.kid,
    expiresAtMs: token.expiresAtMs,
    claims: own,
    ...readActor(token, own),
  });
  return { actor };
}

function unreadableActor(): TokenRejectedError {
  return new TokenRejectedError("ERR_TOKEN_CLAIMS", 'The token\'s "act" names no actor');
}

type Identity = Pick<Principal, "principalId" | "org" | "roles" | "scopes">;

function readIdentity(claims: Claims, names: ClaimNames, subject: string): Identity {
  const roles = readClaimAt(claims, names.roles);
  return {
    principalId: readPrincipalId(claims, names) ?? subject,
    org: readText(claims, names.org),
    roles: createFrozenSet(isStrings(roles) ? roles : []),
    scopes: createFrozenSet(readScopes(readClaimAt(claims, names.scope))),
  };
}

function readScopes(scope: unknown): readonly string[] {
  if (typeof scope === "string") return scope.split(" ").filter(Boolean);
  return isStrings(scope) ? scope : [];
}

function narrowIdentity(
  claims: Claims,
  names: ClaimNames,
  subject: string,
  { principalId, org, roles: recorded }: TrustedPrincipal,
  kid: string,
): Identity {
  const claimOr = (name: string, recorded: unknown): unknown => {
    const claim = readClaimAt(claims, name);
    return claim === undefined ? recorded : claim;
  };
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
  if (claimed === undefined && readClaimAt(claims, names.principal) !== undefined) {
    throw new TokenRejectedError("ERR_TOKEN_CLAIMS", "The claim that names the principal is not a text");
  }
  return claimed;
}

function readText(claims: Claims, name: string): string | undefined {
  const value = readClaimAt(claims, name);
  return typeof value === "string" && value !== "" ? value : undefined;
}
