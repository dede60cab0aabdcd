import { TokenSourceError } from "../errors.js";
import { type Clock, systemClock } from "../lib/clock.js";
import {
  assertFields,
  assertFunction,
  assertNonEmptyString,
  assertPositiveInteger,
  type FieldsOf,
  withoutUndefined,
} from "../lib/options.js";
import { ACCESS_TOKEN_TYPE, REGISTERED_CLAIMS } from "../token/claim-names.js";
import type { TokenRequest, TokenSource } from "../token/token.js";
import { cacheKeyOf, requestFor } from "./cache-key.js";
import { copyMembers } from "./copy-members.js";
import type { DpopProofs } from "./dpop-proofs.js";
import { signCompactJwt } from "./sign-compact-jwt.js";
import { assertSigningKey, type TokenSigningKey } from "./token-signing-key.js";

/** A value, or what gives it for each token: told the call that it is for and the key that signs it. */
export type PerToken<T, K extends TokenSigningKey = TokenSigningKey> =
  | T
  | ((request: TokenRequest, key: K) => T | Promise<T>);

/** Options of {@link signedJwt}. */
export interface SignedJwtOptions<K extends TokenSigningKey = TokenSigningKey> {
  /**
   * Signs the tokens; its `kid` names it in their header. A function is asked for each token, so that a key may be
   * replaced: `() => watched.current()`.
   */
  readonly key: K | (() => K);
  /** The "iss" claim: what the server calls this issuer. */
  readonly issuer: PerToken<string, K>;
  /** The "sub" claim: who calls. @defaultValue the `kid` of the key */
  readonly subject?: PerToken<string, K>;
  /**
   * The "aud" claim. Without it each token is made for what the call is for: the `audience` given to `bearerAuth`, or
   * else the origin of the call. @defaultValue the audience of the call
   */
  readonly audience?: string;
  /** Further claims, none of the registered ones, and no "cnf" with `dpop`. An object is copied now. @defaultValue none */
  readonly claims?: PerToken<Readonly<Record<string, unknown>>, K>;
  /**
   * Further parameters of the token's header, such as "x5t", copied now; none that says how the signature is made,
   * and no URL of a key. @defaultValue none
   */
  readonly headerParameters?: Readonly<Record<string, unknown>>;
  /**
   * Tells calls apart whose tokens differ by what the calls carry (`contextValues`). Without it functions above that read
   * the context values fail. @defaultValue tokens differ by audience, and by origin when a function gives a part of them
   */
  readonly cacheKey?: (request: TokenRequest) => string;
  /**
   * Binds the tokens to the key of these proofs, by their "cnf" claim; give the same to `bearerAuth`. @defaultValue none:
   * whoever has a token can use it
   */
  readonly dpop?: DpopProofs;
  /** From "iat" to "exp", in whole seconds, 1 to 86400. @defaultValue `3_600` (1 hour) */
  readonly lifetimeSeconds?: number;
  /** The "typ" header parameter. @defaultValue `"at+jwt"` */
  readonly tokenType?: string;
  /** Time of the tokens. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

const DEFAULTS = { lifetimeSeconds: 3_600, tokenType: ACCESS_TOKEN_TYPE } satisfies Partial<SignedJwtOptions>;

const LONGEST_LIFETIME_SECONDS = 24 * 60 * 60;
const BACKDATE_SECONDS = 10;

// What decides how a token is checked, or points at a key to check it with, which no verifier should follow.
const RESERVED_PARAMETERS: ReadonlySet<string> = new Set("alg b64 crit enc jku jwk kid typ x5u zip".split(" "));

// RFC 7800 section 3.1: what a token is bound to.
const REGISTERED_OR_BOUND: ReadonlySet<string> = new Set([...REGISTERED_CLAIMS, "cnf"]);

/**
 * A source of tokens that this process signs itself with a private key whose public part the server knows.
 *
 * Each token has the claims "iss", "sub", "aud", "iat", "nbf", "exp", a fresh "jti" and the given ones. "iat" and "nbf"
 * lie 10 seconds back (half of the lifetime when that is less), so that a server whose clock is a little behind accepts
 * the token at once; "exp" is "iat" plus the lifetime. Without an own `audience` the source is bound to the audience of
 * each call, and every permitted origin gets a token of its own.
 *
 * Issuer, subject and claims may be functions, for servers with conventions of their own: an issuer that contains the
 * fingerprint of the key, or claims that depend on the origin of the call.
 *
 * With `dpop` the tokens are bound to a key, which may be the one that signs them, and a server accepts them only with
 * proofs of that key.
 *
 * Costs one signature per token: about 0.1 ms for ES256, 0.5 ms for RS256. `bearerAuth` caches the tokens.
 *
 * `getToken()` rejects with {@link TokenSourceError} `ERR_TOKEN_SOURCE_INVALID` when a function gave something that the
 * option would have refused; with what the function threw; or with what Web Crypto says when the key cannot sign, which
 * `bearerAuth` makes `unavailable`.
 *
 * Spec: RFC 7519 section 4.1 (claims), RFC 7515 section 4.1 (header), RFC 9068 section 2.1 ("typ"), RFC 9449 section 6.1
 * ("cnf").
 *
 * @example
 * ```ts
 * import { createConnectTransport } from "@connectrpc/connect-node";
 * import { bearerAuth, generateSigningKey, signedJwt } from "latchkey/client";
 *
 * const { key } = await generateSigningKey();
 * const source = signedJwt({ key, issuer: "jobs-cli", claims: { org: "acme", roles: ["worker"] } });
 * const transport = createConnectTransport({
 *   baseUrl: "https://jobs.example",
 *   httpVersion: "2",
 *   interceptors: [bearerAuth(source)],
 * });
 * ```
 *
 * @param options - Key and claims.
 * @throws TypeError if the key cannot sign, a name is empty, `claims` has a registered claim or is not JSON,
 * `headerParameters` has a reserved one, or an option is unknown.
 * @throws RangeError if the lifetime is not a whole number of seconds from 1 to 86400.
 */
export function signedJwt<K extends TokenSigningKey = TokenSigningKey>(options: SignedJwtOptions<K>): TokenSource {
  assertFields<SignedJwtOptions<K>>("options", options, FIELDS);
  const { key, issuer, subject, audience, claims = {}, cacheKey, dpop, clock = systemClock } = options;
  const { lifetimeSeconds, tokenType } = { ...DEFAULTS, ...withoutUndefined(options) };
  const currentKey = toKeyPart(key);
  const issuerOf = toTextPart("issuer", issuer);
  const subjectOf = subject === undefined ? undefined : toTextPart("subject", subject);
  if (dpop !== undefined) assertFunction("dpop.thumbprint", dpop?.thumbprint);
  const claimsOf = toClaimsPart(claims, dpop === undefined ? REGISTERED_CLAIMS : REGISTERED_OR_BOUND);
  assertNonEmptyString("tokenType", tokenType);
  if (audience !== undefined) assertNonEmptyString("audience", audience);
  if (cacheKey !== undefined) assertFunction("cacheKey", cacheKey);
  assertPositiveInteger("lifetimeSeconds", lifetimeSeconds);
  if (lifetimeSeconds > LONGEST_LIFETIME_SECONDS) {
    throw new RangeError(`lifetimeSeconds must be at most ${LONGEST_LIFETIME_SECONDS}, got ${lifetimeSeconds}`);
  }
  const parameters = copyMembers("headerParameters", options.headerParameters ?? {}, RESERVED_PARAMETERS);
  const backdateSeconds = Math.min(BACKDATE_SECONDS, Math.floor(lifetimeSeconds / 2));
  const own = { ...(cacheKey !== undefined && { cacheKey }) };
  const varies = [issuer, subject, claims, cacheKey].some((part) => typeof part === "function");

  return {
    async getToken(request) {
      // The functions may see what the call carries only if somebody tells such calls apart.
      const asked = requestFor(own, request);
      const signer = currentKey();
      const { kid, algorithm, privateKey } = signer;
      const [iss, sub, further] = await Promise.all([
        issuerOf(asked, signer),
        subjectOf?.(asked, signer) ?? kid,
        claimsOf(asked, signer),
      ]);
      const bound = dpop && { cnf: { jkt: await dpop.thumbprint() } };
      const issuedAt = Math.floor(clock.nowMs() / 1_000) - backdateSeconds;
      const expiresAt = issuedAt + lifetimeSeconds;
      const payload = {
        ...further,
        ...bound,
        iss,
        sub,
        aud: audience ?? request.audience,
        iat: issuedAt,
        nbf: issuedAt,
        exp: expiresAt,
        jti: crypto.randomUUID(),
      };
      const header = { ...parameters, alg: algorithm, kid, typ: tokenType };
      const value = await signCompactJwt(privateKey, header, payload);
      return { value, expiresAtMs: expiresAt * 1_000, issuedAtMs: issuedAt * 1_000 };
    },
    lifetimeMs: lifetimeSeconds * 1_000,
    ...(audience === undefined && { audienceBound: true }),
    // One token serves every audience when its own is fixed.
    ...(audience !== undefined && { cacheKey: () => audience }),
    ...((varies || dpop !== undefined) && {
      cacheKey: (request: TokenRequest) =>
        JSON.stringify([
          audience ?? request.audience,
          varies && request.origin,
          cacheKey && cacheKeyOf(own, request),
          dpop?.publicJwk,
        ]),
    }),
  };
}

const FIELDS: FieldsOf<SignedJwtOptions> = {
  key: true,
  issuer: true,
  subject: true,
  audience: true,
  claims: true,
  headerParameters: true,
  cacheKey: true,
  dpop: true,
  lifetimeSeconds: true,
  tokenType: true,
  clock: true,
};

type Part<T, K> = (request: TokenRequest, key: K) => T | Promise<T>;

function toTextPart<K extends TokenSigningKey>(field: string, part: PerToken<string, K>): Part<string, K> {
  const check = (value: string): string => {
    assertNonEmptyString(field, value);
    return value;
  };
  return typeof part === "function" ? checkEach(part, check) : always(check(part));
}

function toClaimsPart<K extends TokenSigningKey>(
  part: NonNullable<SignedJwtOptions<K>["claims"]>,
  taken: ReadonlySet<string>,
): Part<Claims, K> {
  const copy = (claims: Claims): Claims => copyMembers("claims", claims, taken);
  return typeof part === "function" ? checkEach(part, copy) : always(copy(part));
}

function always<T>(value: T): () => T {
  return () => value;
}

function checkEach<T, K>(part: Part<T, K>, check: (value: T) => T): Part<T, K> {
  return async (request, key) => inUse(await part(request, key), check);
}

function toKeyPart<K extends TokenSigningKey>(key: K | (() => K)): () => K {
  const check = (value: K): K => {
    assertSigningKey(value);
    return value;
  };
  return typeof key === "function" ? () => inUse(key(), check) : always(check(key));
}

/** What an option would have been refused for at construction is an unusable answer now. */
function inUse<T>(value: T, check: (value: T) => T): T {
  try {
    return check(value);
  } catch (cause) {
    const message = cause instanceof TypeError ? `: ${cause.message}` : "";
    throw new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", `The token cannot be signed${message}`, { cause });
  }
}

type Claims = Readonly<Record<string, unknown>>;
