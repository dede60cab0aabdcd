import { type JWTPayload, SignJWT } from "jose";
import type { SigningKey } from "../keys/signing-key.js";
import { type Clock, systemClock } from "../lib/clock.js";
import { assertNonEmptyString, assertPositiveInteger, typeName, withoutUndefined } from "../lib/options.js";
import { isJwsAlgorithm } from "../token/algorithms.js";
import { ACCESS_TOKEN_TYPE, REGISTERED_CLAIMS } from "../token/claim-names.js";
import type { TokenSource } from "../token/token.js";

/** Options of {@link signedJwt}. */
export interface SignedJwtOptions {
  /** Signs the tokens; its `kid` names it in their header. */
  readonly key: Pick<SigningKey, "kid" | "algorithm" | "privateKey">;
  /** The "iss" claim: what the server calls this issuer. */
  readonly issuer: string;
  /** The "sub" claim: who calls. @defaultValue the `kid` of the key */
  readonly subject?: string;
  /**
   * The "aud" claim. Without it each token is made for what the call is for: the `audience` given to `bearerAuth`, or
   * else the origin of the call. @defaultValue the audience of the call
   */
  readonly audience?: string;
  /** Further claims, copied now; none of the registered ones. @defaultValue none */
  readonly claims?: Readonly<Record<string, unknown>>;
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

/**
 * A source of tokens that this process signs itself with a private key whose public part the server knows.
 *
 * Each token has the claims "iss", "sub", "aud", "iat", "nbf", "exp", a fresh "jti" and the given ones. "iat" and "nbf"
 * lie 10 seconds back (half of the lifetime when that is less), so that a server whose clock is a little behind accepts
 * the token at once; "exp" is "iat" plus the lifetime. Without an own `audience` the source is bound to the audience of
 * each call, and every permitted origin gets a token of its own.
 *
 * Costs one signature per token: about 0.1 ms for ES256, 0.5 ms for RS256. `bearerAuth` caches the tokens.
 *
 * `getToken()` rejects with what Web Crypto says when the key cannot sign; `bearerAuth` makes that `unavailable`.
 *
 * Spec: RFC 7519 section 4.1 (claims), RFC 7515 section 4.1 (header), RFC 9068 section 2.1 ("typ").
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
 * @throws TypeError if the key cannot sign, a name is empty, or `claims` has a registered claim or is not JSON.
 * @throws RangeError if the lifetime is not a whole number of seconds from 1 to 86400.
 */
export function signedJwt(options: SignedJwtOptions): TokenSource {
  const { key, issuer, audience, clock = systemClock } = options;
  const { lifetimeSeconds, tokenType } = { ...DEFAULTS, ...withoutUndefined(options) };
  assertSigningKey(key);
  const { kid, algorithm, privateKey } = key;
  const { subject = kid } = options;
  assertNonEmptyString("issuer", issuer);
  assertNonEmptyString("subject", subject);
  assertNonEmptyString("tokenType", tokenType);
  if (audience !== undefined) assertNonEmptyString("audience", audience);
  assertPositiveInteger("lifetimeSeconds", lifetimeSeconds);
  if (lifetimeSeconds > LONGEST_LIFETIME_SECONDS) {
    throw new RangeError(`lifetimeSeconds must be at most ${LONGEST_LIFETIME_SECONDS}, got ${lifetimeSeconds}`);
  }
  const claims = copyClaims(options.claims ?? {});
  const backdateSeconds = Math.min(BACKDATE_SECONDS, Math.floor(lifetimeSeconds / 2));

  return {
    async getToken(request) {
      const issuedAt = Math.floor(clock.nowMs() / 1_000) - backdateSeconds;
      const expiresAt = issuedAt + lifetimeSeconds;
      const payload: JWTPayload = {
        ...claims,
        iss: issuer,
        sub: subject,
        aud: audience ?? request.audience,
        iat: issuedAt,
        nbf: issuedAt,
        exp: expiresAt,
        jti: crypto.randomUUID(),
      };
      const value = await new SignJWT(payload)
        .setProtectedHeader({ alg: algorithm, kid, typ: tokenType })
        .sign(privateKey);
      return { value, expiresAtMs: expiresAt * 1_000, issuedAtMs: issuedAt * 1_000 };
    },
    // One token serves every audience when its own is fixed.
    ...(audience === undefined ? { audienceBound: true } : { cacheKey: () => audience }),
  };
}

function assertSigningKey(key: SignedJwtOptions["key"]): void {
  if (typeof key !== "object" || key === null) throw new TypeError(`key must be a signing key, got ${typeName(key)}`);
  assertNonEmptyString("key.kid", key.kid);
  if (!isJwsAlgorithm(key.algorithm)) throw new TypeError("key.algorithm must be a supported signature algorithm");
  const { privateKey } = key;
  if (!(privateKey instanceof CryptoKey) || privateKey.type !== "private" || !privateKey.usages.includes("sign")) {
    throw new TypeError('key.privateKey must be a private CryptoKey with the usage "sign"');
  }
}

function copyClaims(claims: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (typeof claims !== "object" || claims === null || Array.isArray(claims)) {
    throw new TypeError(`claims must be an object, got ${typeName(claims)}`);
  }
  for (const name of Object.keys(claims)) {
    if (REGISTERED_CLAIMS.has(name)) throw new TypeError(`claims must not have "${name}": the token sets it itself`);
  }
  // A text and back: what the token will say is fixed now, and what JSON cannot say fails now.
  return JSON.parse(JSON.stringify(claims)) as Record<string, unknown>;
}
