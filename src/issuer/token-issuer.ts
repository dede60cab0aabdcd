import { SignJWT } from "jose";
import type { KeyRing } from "../keys/key-ring.js";
import { type Clock, systemClock } from "../lib/clock.js";
import {
  assertNonEmptyString,
  assertNonEmptyStrings,
  assertPositive,
  typeName,
  withoutUndefined,
} from "../lib/options.js";
import { ACCESS_TOKEN_TYPE, type ClaimNames, DEFAULT_CLAIM_NAMES, REGISTERED_CLAIMS } from "../token/claim-names.js";
import type { Token } from "../token/token.js";

/** Options of {@link createTokenIssuer}. */
export interface TokenIssuerOptions {
  /** The "iss" of its tokens, exactly as verifiers expect it. */
  readonly issuer: string;
  /** The "aud" of its tokens unless a token asks for another one. */
  readonly audience: string | readonly string[];
  /** What signs. */
  readonly keyRing: KeyRing;
  /**
   * Life of a token unless it asks for another one, in seconds; at most the ring's `maxTokenLifetimeMs`.
   * @defaultValue `3600` (1 hour), or the ring's maximum if that is less
   */
  readonly lifetimeSeconds?: number;
  /** Names of the claims that are not registered, all different. @defaultValue `org`, `roles`, `scope` and `principal_id` */
  readonly claimNames?: Partial<ClaimNames>;
  /** The time. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** What a token shall say. */
export interface IssueRequest {
  /** Whom it is for: the "sub" claim. */
  readonly subject: string;
  /** Which service it is for. @defaultValue as configured */
  readonly audience?: string | readonly string[];
  /** Organisation of the subject. */
  readonly org?: string;
  /** Roles of the subject; an empty array says "none". */
  readonly roles?: readonly string[];
  /** OAuth scopes, separated by spaces. */
  readonly scope?: string;
  /** Stable identifier to authorise by, should it not be the subject. */
  readonly principalId?: string;
  /** The OAuth client that asked for it: the "client_id" claim. @defaultValue the subject */
  readonly clientId?: string;
  /** Further claims; none of those that the other members set. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Life of the token in seconds, counted from 10 s ago. @defaultValue as configured */
  readonly lifetimeSeconds?: number;
}

/** Signs access tokens. */
export interface TokenIssuer {
  /** The "iss" of its tokens. */
  readonly issuer: string;
  /**
   * Signs a token. Costs one signature.
   *
   * Rejects with TypeError or RangeError naming the member of `request` that is missing or out of range, and as
   * {@link KeyRing.signingKey} does.
   */
  issue(request: IssueRequest): Promise<Token>;
}

const DEFAULTS = {
  lifetimeSeconds: 60 * 60,
} as const satisfies Partial<TokenIssuerOptions>;

// The clock of a verifier may be behind ours: a token from its future would be refused.
const BACKDATE_SECONDS = 10;

// RFC 9068 section 2.2 adds the last one.
const REGISTERED: readonly string[] = [...REGISTERED_CLAIMS, "client_id"];

/**
 * Creates an issuer of access tokens, signed with the key of a ring that signs at the time.
 *
 * "iat" and "nbf" are 10 s in the past and "exp" is "iat" plus the lifetime; "jti" is fresh for each token.
 *
 * Spec: RFC 9068 section 2 (claims and "typ" of access tokens), RFC 7519 section 4.1.
 *
 * @example
 * ```ts
 * import { createKeyRing, createTokenIssuer, memoryKeyStore } from "latchkey/issuer";
 *
 * const keyRing = createKeyRing({
 *   store: memoryKeyStore(),
 *   gracePeriodMs: 10 * 60 * 1000,
 *   maxTokenLifetimeMs: 60 * 60 * 1000,
 * });
 * const issuer = createTokenIssuer({ issuer: "https://idp.example", audience: "https://jobs.example", keyRing });
 * const token = await issuer.issue({ subject: "alice", org: "acme", roles: ["submitter"] });
 * ```
 *
 * @param options - Who issues, for whom, and with which keys.
 * @throws TypeError or RangeError naming the option that is missing or out of range.
 */
export function createTokenIssuer(options: TokenIssuerOptions): TokenIssuer {
  const { issuer, audience, keyRing, clock = systemClock } = options;
  assertNonEmptyString("issuer", issuer);
  assertAudience("audience", audience);
  if (typeof keyRing?.signingKey !== "function") throw new TypeError("keyRing must be a KeyRing");
  const maxLifetimeSeconds = keyRing.maxTokenLifetimeMs / 1_000;
  const defaultLifetimeSeconds = options.lifetimeSeconds ?? Math.min(DEFAULTS.lifetimeSeconds, maxLifetimeSeconds);
  const claimNames = { ...DEFAULT_CLAIM_NAMES, ...options.claimNames };
  assertClaimNames(claimNames);
  const reserved: ReadonlySet<string> = new Set([...REGISTERED, ...Object.values(claimNames)]);

  function assertLifetime(seconds: number): void {
    assertPositive("lifetimeSeconds", seconds);
    // The ring takes an old key out of the key set once tokens of the maximum lifetime have expired.
    if (seconds > maxLifetimeSeconds) {
      throw new RangeError(`lifetimeSeconds must be at most ${maxLifetimeSeconds}, the maximum of keyRing`);
    }
  }
  assertLifetime(defaultLifetimeSeconds);

  return {
    issuer,
    async issue(request) {
      const { lifetimeSeconds = defaultLifetimeSeconds } = request;
      assertLifetime(lifetimeSeconds);
      assertRequest(request, reserved);
      const key = await keyRing.signingKey();
      const iat = Math.floor(clock.nowMs() / 1_000) - BACKDATE_SECONDS;
      const exp = iat + lifetimeSeconds;
      const payload: Record<string, unknown> = withoutUndefined({
        ...request.claims,
        iss: issuer,
        sub: request.subject,
        aud: request.audience ?? audience,
        exp,
        nbf: iat,
        iat,
        jti: crypto.randomUUID(),
        client_id: request.clientId ?? request.subject,
        [claimNames.org]: request.org,
        [claimNames.roles]: request.roles,
        [claimNames.scope]: request.scope,
        [claimNames.principal]: request.principalId,
      });
      const header = { alg: key.algorithm, kid: key.kid, typ: ACCESS_TOKEN_TYPE };
      const value = await new SignJWT(payload).setProtectedHeader(header).sign(key.privateKey);
      return { value, expiresAtMs: exp * 1_000, issuedAtMs: iat * 1_000 };
    },
  };
}

function assertRequest(request: IssueRequest, reserved: ReadonlySet<string>): void {
  assertNonEmptyString("subject", request.subject);
  for (const field of ["org", "scope", "principalId", "clientId"] as const) {
    if (request[field] !== undefined) assertNonEmptyString(field, request[field]);
  }
  if (request.audience !== undefined) assertAudience("audience", request.audience);
  if (request.roles !== undefined && !Array.isArray(request.roles)) {
    throw new TypeError(`roles must be an array of strings, got ${typeName(request.roles)}`);
  }
  for (const [index, role] of (request.roles ?? []).entries()) assertNonEmptyString(`roles[${index}]`, role);
  const taken = Object.keys(request.claims ?? {}).find((name) => reserved.has(name));
  if (taken !== undefined) throw new TypeError(`claims must not contain ${taken}: the issuer sets it`);
}

/** Of two claims of one name only one would be in the token, the registered one or not. */
function assertClaimNames(claimNames: ClaimNames): void {
  const taken = new Set<string>(REGISTERED);
  for (const [field, name] of Object.entries(claimNames)) {
    assertNonEmptyString(`claimNames.${field}`, name);
    if (taken.has(name)) throw new TypeError(`claimNames.${field} must not be ${name}: another claim has that name`);
    taken.add(name);
  }
}

function assertAudience(field: string, audience: unknown): void {
  if (Array.isArray(audience)) assertNonEmptyStrings(field, audience);
  else assertNonEmptyString(field, audience);
}
