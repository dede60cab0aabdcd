import type { KeysUnavailableCode } from "../errors.js";
import { type JwksOptions, resolveJwksOptions, toUrlRules } from "./jwks-options.js";
import type { JwksSnapshot } from "./jwks-snapshot.js";
import type { PublicJwk } from "./key-set.js";
import { acquireNothing, openJwks } from "./open-jwks.js";
import { parseJwksUrl } from "./url.js";

/** Which key is wanted: what the header of a token says. */
export interface JwksKeyQuery {
  /** "kid". A token without one is refused, however few keys the set has: the key would be a guess. */
  readonly kid?: string | undefined;
  /** "alg". */
  readonly alg?: string | undefined;
}

/** How a {@link Jwks} is doing. Instants are in milliseconds since the epoch. */
export interface JwksStatus {
  /** `empty` before the first success, `loading` during the first request, then `ready` or `refreshing`. */
  readonly state: "empty" | "loading" | "ready" | "refreshing";
  /** Whether keys are served at present: false when empty, and past the stale window. */
  readonly usable: boolean;
  /** Whether the set in hand is past its freshness. */
  readonly stale: boolean;
  /** The kids in hand. */
  readonly kids: readonly string[];
  /** How many published keys were left out of the set in hand. */
  readonly unusableKeys: number;
  /** Time since the request that gave or last confirmed the set in hand, in milliseconds; undefined without one. */
  readonly ageMs: number | undefined;
  /** When that request was sent; undefined without a set. */
  readonly fetchedAtMs: number | undefined;
  /** When its freshness ends. */
  readonly expiresAtMs: number | undefined;
  /** When it is no longer used even while refreshing fails. */
  readonly usableUntilMs: number | undefined;
  /** When the next refresh in the background begins; undefined when none is due. */
  readonly nextRefreshAtMs: number | undefined;
  /** Failed refreshes since the last success. */
  readonly consecutiveFailures: number;
  /** Why the last one failed; undefined after a success. */
  readonly lastFailure: KeysUnavailableCode | undefined;
  /** `open` after too many failures in a row: then only single requests are sent, and seldom. */
  readonly circuit: "closed" | "open";
  /** Requests for a key answered from a fresh set in hand. */
  readonly hits: number;
  /** Requests for a key answered from a set past its freshness. */
  readonly staleServed: number;
  /** Requests for a key that was not in hand. */
  readonly misses: number;
  /** Part of all requests for a key that were answered from what was in hand, 0 to 1; 1 before the first. */
  readonly hitRate: number;
}

/** The public keys of one issuer, as it publishes them. Call it as the key resolver of jose's `jwtVerify`. */
export interface Jwks extends Disposable {
  /** Gives the key for a token's header; the same as {@link Jwks.getKey}. */
  (protectedHeader: JwksKeyQuery, token?: unknown): Promise<CryptoKey>;
  /**
   * Gives the key for a "kid" and an algorithm: at once when it is in hand.
   *
   * @param options - `signal` ends the wait of this caller alone.
   */
  getKey(query: JwksKeyQuery, options?: { readonly signal?: AbortSignal }): Promise<CryptoKey>;
  /** Gives the key if it is in hand and may be used, without waiting, fetching or counting. */
  peekKey(query: JwksKeyQuery): CryptoKey | undefined;
  /**
   * Gives the usable public keys, or of them the one of a "kid", as published; waits and rejects as
   * {@link Jwks.getKey} does.
   *
   * @param options - `kid` asks for one key, `signal` ends the wait of this caller alone.
   */
  getPublicKeys(options?: { readonly kid?: string; readonly signal?: AbortSignal }): Promise<readonly PublicJwk[]>;
  /** Fetches the set now, cooldowns notwithstanding. Rejects with {@link KeysUnavailableError}; the keys in hand stay. */
  refresh(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Gives the set in hand in a form that can be stored; undefined when there is none that may be used. */
  snapshot(): JwksSnapshot | undefined;
  /**
   * Takes a set that was stored, of which the caller knows that nobody changed it, and has it confirmed in the background
   * at once, or when the pause after a failure ends. It counts from the moment it was fetched, within the limits of this
   * cache: nothing lives longer by it.
   *
   * Rejects with {@link KeysUnavailableError} `ERR_KEYS_INVALID` when it is no usable key set.
   *
   * @returns Whether it was taken: not when it is of another URL, from the future, past its stale window, or not newer
   * than the set in hand by a second at least, for clocks are not exact.
   */
  hydrate(snapshot: JwksSnapshot): Promise<boolean>;
  /** Tells how it is doing. */
  status(): JwksStatus;
  /** Calls back after each replacement by a set of other keys, until disposed. */
  onChange(listener: () => void): Disposable;
}

/**
 * Creates a cache of the public keys that an issuer publishes at a URL.
 *
 * Nothing is fetched before the first key is asked for; concurrent misses share one request. A set is fresh for as long
 * as the response says (`Cache-Control`, `Age`, `Expires`), held between `minTtlMs` and `maxTtlMs`, and replaced in the
 * background shortly before, by a conditional request where the issuer sends validators. While that fails, it serves for
 * `staleWhileErrorMs` beyond its freshness, and not a moment longer. A new set takes the place of the old one as a whole;
 * an unusable answer changes nothing. An unknown "kid" causes at most one extra request per `cooldownMs`, however many
 * tokens carry one: a stranger cannot make us flood the issuer. Nothing is remembered per unknown "kid".
 *
 * A failed request is repeated with growing waits inside `totalTimeoutMs`, and not before a "Retry-After" (held between
 * 1 second and 1 hour) has passed; then nothing is asked for `cooldownMs`. After `breakerFailures` such failures the
 * circuit opens.
 *
 * Keys that nobody should verify with (symmetric, private, weak, for encryption, of one "kid") are left out and counted.
 * A key in hand costs a map look-up. Holds one timer, which keeps no process alive; disposing ends it and all requests.
 *
 * `getKey()` rejects with {@link KeysUnavailableError} `ERR_KEYS_UNAVAILABLE` (network, deadline, status),
 * `ERR_KEYS_INVALID` (the answer is no usable key set) or `ERR_TOO_MANY_PENDING`, with {@link TokenRejectedError}
 * `ERR_KEY_NOT_FOUND` (no key of that "kid" is published) or `ERR_KEY_UNUSABLE` (it does not serve the algorithm), or
 * with the signal's reason.
 *
 * Spec: RFC 7517 section 5 (JWK Set), RFC 7515 section 4.1.4 ("kid"), RFC 9111 sections 4.2 and 4.3 (freshness,
 * validation), RFC 5861 section 4 (stale-if-error), RFC 9110 section 10.2.3 ("Retry-After").
 *
 * @example
 * ```ts
 * import { jwtVerify } from "jose";
 * import { createJwks } from "latchkey/jwks";
 *
 * const jwks = createJwks("https://idp.example/jwks.json", { maxTtlMs: 15 * 60 * 1_000 });
 *
 * export async function readSubject(token: string): Promise<string | undefined> {
 *   const { payload } = await jwtVerify(token, jwks, { issuer: "https://idp.example", audience: "https://jobs.example" });
 *   return payload.sub;
 * }
 * ```
 *
 * @param url - Absolute `https:` URL of the set; `http:` only for a loopback host with `allowLoopbackHttp`.
 * @param options - Limits and collaborators; every field has a default. Durations in milliseconds.
 * @returns A cache to share: one per issuer and process.
 * @throws TypeError for an option that is unknown or of another type, and for a URL that is relative, of another scheme or
 * domain, or with a user name or fragment.
 * @throws RangeError for a duration or limit out of range, and if `minTtlMs` exceeds `maxTtlMs`.
 */
export function createJwks(url: string | URL, options: JwksOptions = {}): Jwks {
  const settings = resolveJwksOptions(options, "options");
  const rules = toUrlRules(settings, "options");
  return openJwks({ href: parseJwksUrl(url, rules, "url"), rules, acquireSlot: acquireNothing }, settings);
}
