import {
  assertBoolean,
  assertFields,
  assertNonEmptyString,
  assertNonEmptyStrings,
  assertPositive,
  type FieldsOf,
} from "../lib/options.js";
import { isJwsAlgorithm, JWS_ALGORITHMS } from "../token/algorithms.js";
import { ACCESS_TOKEN_TYPE, type ClaimNames, DEFAULT_CLAIM_NAMES } from "../token/claim-names.js";
import type { TrustedIssuer } from "./trusted-issuer.js";

/** What the tokens of an issuer are held against: {@link TrustedIssuer} checked, copied, and with its defaults. */
export interface IssuerSettings {
  /** The exact "iss". */
  readonly issuer: string;
  /** Accepted audiences; null: any or none. */
  readonly audience: ReadonlySet<string> | null;
  /** Accepted algorithms. */
  readonly algorithms: ReadonlySet<string>;
  /** Accepted "typ" as {@link normalizeType} gives it; null: any or none. */
  readonly tokenType: string | null;
  /** Names of the claims that say who the caller is. */
  readonly claims: ClaimNames;
  /** Longest lifetime, in milliseconds. */
  readonly maxLifetimeMs: number;
  /** Claims that must be there. */
  readonly requiredClaims: readonly string[];
  /** Whether its tokens must be bound to a key. */
  readonly requireBoundTokens: boolean;
}

const DEFAULTS = {
  tokenType: ACCESS_TOKEN_TYPE,
  maxLifetimeSeconds: 24 * 60 * 60,
  requiredClaims: [],
  requireBoundTokens: false,
} as const satisfies Partial<TrustedIssuer>;

const FIELDS: FieldsOf<TrustedIssuer> = {
  issuer: true,
  audience: true,
  algorithms: true,
  jwksUri: true,
  discovery: true,
  jwks: true,
  keys: true,
  findKey: true,
  findKeyMaxAgeMs: true,
  jwksOptions: true,
  tokenType: true,
  requireBoundTokens: true,
  claims: true,
  maxLifetimeSeconds: true,
  requiredClaims: true,
};

/**
 * Checks what an issuer's tokens are to be held against. What would switch a check off silently, such as an empty
 * audience, is refused.
 *
 * @param field - What the issuer is called in error messages, such as `issuers[0]`.
 * @throws TypeError or RangeError naming the field.
 */
export function resolveIssuer(trusted: TrustedIssuer, field: string): IssuerSettings {
  assertFields(field, trusted, FIELDS);
  const { issuer, audience, algorithms, claims = {} } = trusted;
  const {
    tokenType = DEFAULTS.tokenType,
    maxLifetimeSeconds = DEFAULTS.maxLifetimeSeconds,
    requiredClaims = DEFAULTS.requiredClaims,
    requireBoundTokens = DEFAULTS.requireBoundTokens,
  } = trusted;
  assertNonEmptyString(`${field}.issuer`, issuer);
  assertAlgorithms(algorithms, `${field}.algorithms`);
  if (tokenType !== null) assertNonEmptyString(`${field}.tokenType`, tokenType);
  assertPositive(`${field}.maxLifetimeSeconds`, maxLifetimeSeconds);
  if (!Array.isArray(requiredClaims) || requiredClaims.length > 0) {
    assertNonEmptyStrings(`${field}.requiredClaims`, requiredClaims);
  }
  assertBoolean(`${field}.requireBoundTokens`, requireBoundTokens);
  return {
    issuer,
    audience: resolveAudience(audience, `${field}.audience`),
    algorithms: new Set(algorithms),
    tokenType: tokenType === null ? null : normalizeType(tokenType),
    claims: resolveClaimNames(claims, `${field}.claims`),
    maxLifetimeMs: maxLifetimeSeconds * 1_000,
    requiredClaims: [...requiredClaims],
    requireBoundTokens,
  };
}

/** Gives the form of a "typ" that is compared: RFC 7515 section 4.1.9 lets `application/` be left out, in any case. */
export function normalizeType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, "");
}

function resolveAudience(audience: TrustedIssuer["audience"], field: string): ReadonlySet<string> | null {
  // Undefined is refused: a forgotten audience would accept tokens meant for others. Null is written on purpose.
  if (audience === null) return null;
  if (Array.isArray(audience)) {
    assertNonEmptyStrings(field, audience);
    return new Set(audience);
  }
  assertNonEmptyString(field, audience);
  return new Set([audience]);
}

function assertAlgorithms(algorithms: unknown, field: string): void {
  assertNonEmptyStrings(field, algorithms);
  algorithms.forEach((algorithm, index) => {
    if (isJwsAlgorithm(algorithm)) return;
    throw new RangeError(`${field}[${index}] must be one of ${JWS_ALGORITHMS.join(", ")}`);
  });
}

function resolveClaimNames(claims: Partial<ClaimNames>, field: string): ClaimNames {
  assertFields(field, claims, DEFAULT_CLAIM_NAMES);
  const names = { ...DEFAULT_CLAIM_NAMES };
  for (const name of ["org", "roles", "scope", "principal"] as const) {
    const claim = claims[name];
    if (claim === undefined) continue;
    assertNonEmptyString(`${field}.${name}`, claim);
    names[name] = claim;
  }
  return names;
}
