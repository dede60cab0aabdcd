import type { JWK } from "jose";
import type { Jwks } from "../jwks/jwks.js";
import type { JwksOptions } from "../jwks/jwks-options.js";
import type { JwsAlgorithm } from "../token/algorithms.js";
import type { ClaimNames } from "../token/claim-names.js";

/**
 * An issuer whose tokens are accepted, for whom, and where its keys come from.
 *
 * Exactly one of `jwksUri`, `discovery`, `jwks`, `keys` and `findKey` says where. Keys are never shared between issuers.
 *
 * Spec: RFC 8725 section 3 (what a verifier must pin down), RFC 9068 section 4 (access tokens).
 */
export interface TrustedIssuer {
  /** The exact "iss" of its tokens; compared byte for byte, never normalised. */
  readonly issuer: string;
  /**
   * Audiences of which a token must name at least one, compared byte for byte. `null` accepts any audience and none at
   * all: only for an issuer whose every token is meant for this service.
   */
  readonly audience: string | readonly string[] | null;
  /** Algorithms its tokens may be signed with. A token never widens this list. */
  readonly algorithms: readonly JwsAlgorithm[];
  /** URL of its JWK Set; `https:`, or `http:` to a loopback host with `allowLoopbackHttp`. */
  readonly jwksUri?: string;
  /**
   * Takes the URL of its JWK Set from the metadata that the issuer publishes: by OpenID Connect Discovery or, where a
   * status of 4xx says that there is none, RFC 8414. `issuer` must then be an `https:` URL (`http:` to a loopback host
   * with `allowLoopbackHttp`), and the metadata must name exactly that one.
   *
   * Read when the first key is needed, then again in the background: when older than `jwksOptions.maxTtlMs`, and when
   * the key set can no longer be fetched. While that fails the key set known serves on. All URLs must satisfy
   * `jwksOptions.allowedDomains`, which keep the issuer from sending requests elsewhere.
   *
   * Spec: OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3.
   */
  readonly discovery?: true;
  /** A key cache of your own; disposing it stays your task. */
  readonly jwks?: Jwks;
  /** Its public keys themselves; each needs a "kid". */
  readonly keys?: { readonly keys: readonly JWK[] };
  /** Finds the key of one "kid", for issuers with more keys than a set can hold. */
  readonly findKey?: FindKey;
  /**
   * How long an answer of `findKey` serves, in milliseconds, `undefined` answers included: the longest that a withdrawn
   * key stays trusted unless {@link Verifier.forgetKey} is called. @defaultValue `5_000` (5 seconds)
   */
  readonly findKeyMaxAgeMs?: number;
  /** Limits of the key cache made for `jwksUri` or `discovery`. @defaultValue those of {@link createJwks} */
  readonly jwksOptions?: JwksOptions;
  /**
   * The "typ" its tokens must have, compared without case and with or without `application/`. `null` accepts any and
   * none: ID tokens and other kinds then pass as access tokens. @defaultValue `"at+jwt"`
   */
  readonly tokenType?: string | null;
  /**
   * Whether its tokens must be bound to a key of their holder: a stolen token is then worth nothing. Bound tokens are
   * checked in any case (RFC 8705 by the connection's certificate, RFC 9449 with `dpop`). @defaultValue `false`
   */
  readonly requireBoundTokens?: boolean;
  /**
   * Names of the claims that carry organisation, roles, scope and principal, or paths to them, such as
   * `realm_access.roles`. @defaultValue `org`, `roles`, `scope`, `principal_id`
   */
  readonly claims?: Partial<ClaimNames>;
  /** Longest lifetime of a token, from "iat", or from now without it, to "exp". @defaultValue `86_400` (24 hours) */
  readonly maxLifetimeSeconds?: number;
  /** Claims that must be there beside "iss", "sub" and "exp". @defaultValue none */
  readonly requiredClaims?: readonly string[];
}

/**
 * Looks up the key of a "kid"; `undefined` when there is none.
 *
 * The "kid" comes from a token that nobody has verified yet: 1 to 256 visible ASCII characters of a stranger's choice.
 * A rejection means that nobody can say at present: the token is then neither accepted nor called bad.
 */
export type FindKey = (kid: string, options: { readonly signal: AbortSignal }) => Promise<TrustedKey | undefined>;

/** A key found by {@link FindKey}. */
export interface TrustedKey {
  /** The public key. A private, symmetric or weak one is refused. */
  readonly key: JWK | CryptoKey;
  /** Algorithms the key may be used with. @defaultValue all that fit the key */
  readonly algorithms?: readonly JwsAlgorithm[];
  /**
   * Whose key it is. This record decides: a token signed with the key may claim fewer roles and nothing else, a claim it
   * leaves out has the record's value, and its "sub" must be the "kid" or the `principalId`. It has no scopes, whatever
   * it claims, for none are on record. A token that claims more is rejected with `ERR_TOKEN_CLAIMS`.
   */
  readonly principal?: TrustedPrincipal;
}

/** What is on record about the holder of a key. */
export interface TrustedPrincipal {
  /** Stable identifier of the holder. */
  readonly principalId: string;
  /** Organisation of the holder. */
  readonly org: string;
  /** All roles the holder has. */
  readonly roles: readonly string[];
}
