import { type KeysUnavailableCode, KeysUnavailableError, TokenRejectedError } from "../errors.js";
import { createHeldKeySet } from "./held-key-set.js";
import { type JwksOptions, resolveJwksOptions } from "./jwks-options.js";
import { createKeySetRefresher } from "./key-set-refresher.js";
import { createLoadKeySet } from "./load-key-set.js";
import { parseJwksUrl } from "./url.js";
import type { VerificationKey } from "./verification-key.js";

/** Which key is wanted: what the header of a token says. */
export interface JwksKeyQuery {
  /** "kid". A token without one is refused, however few keys the set has: the key would be a guess. */
  readonly kid?: string | undefined;
  /** "alg". */
  readonly alg?: string | undefined;
}

/** How a {@link Jwks} is doing. */
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
  /** Time since the request that gave the set in hand, in milliseconds; undefined without one. */
  readonly ageMs: number | undefined;
  /** Failed refreshes since the last success. */
  readonly consecutiveFailures: number;
  /** Why the last one failed; undefined after a success. */
  readonly lastFailure: KeysUnavailableCode | undefined;
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
  /** Gives the key if it is in hand and may be used, without waiting or fetching. */
  peekKey(query: JwksKeyQuery): CryptoKey | undefined;
  /** Fetches the set now, cooldowns notwithstanding. Rejects with {@link KeysUnavailableError}; the keys in hand stay. */
  refresh(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Tells how it is doing. */
  status(): JwksStatus;
  /** Calls back after each replacement by a set of other keys, until disposed. */
  onChange(listener: () => void): Disposable;
}

/**
 * Creates a cache of the public keys that an issuer publishes at a URL.
 *
 * Nothing is fetched before the first key is asked for; concurrent misses share one request. A set is fresh for the
 * response's `max-age`, held between `minTtlMs` and `maxTtlMs`, and replaced in the background shortly before. While
 * that fails, it serves for `staleWhileErrorMs` beyond its freshness, and not a moment longer. A new set takes the
 * place of the old one as a whole; an unusable answer changes nothing. An unknown "kid" causes at most one extra request
 * per `cooldownMs`, however many tokens carry one: a stranger cannot make us flood the issuer.
 *
 * Keys that nobody should verify with (symmetric, private, weak, for encryption, of one "kid") are left out and counted.
 * A key in hand costs a map look-up. Holds one timer, which keeps no process alive; disposing ends it and all requests.
 *
 * `getKey()` rejects with {@link KeysUnavailableError} `ERR_KEYS_UNAVAILABLE` (network, deadline, status),
 * `ERR_KEYS_INVALID` (the answer is no usable key set) or `ERR_TOO_MANY_PENDING`, with {@link TokenRejectedError}
 * `ERR_KEY_NOT_FOUND` (no key of that "kid" is published) or `ERR_KEY_UNUSABLE` (it does not serve the algorithm), or
 * with the signal's reason.
 *
 * Spec: RFC 7517 section 5 (JWK Set), RFC 7515 section 4.1.4 ("kid"), RFC 9111 section 4.2.1 (freshness), RFC 5861
 * section 4 (stale-if-error).
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
 * @throws TypeError for a URL that is relative, of another scheme, or with a user name or fragment.
 * @throws RangeError for a duration or limit out of range, and if `minTtlMs` exceeds `maxTtlMs`.
 */
export function createJwks(url: string | URL, options: JwksOptions = {}): Jwks {
  const settings = resolveJwksOptions(options, "options");
  const href = parseJwksUrl(url, settings, "url");
  const { clock } = settings;
  const disposal = new AbortController();
  const held = createHeldKeySet(settings.staleWhileErrorMs, clock);
  const refresher = createKeySetRefresher(createLoadKeySet(href, settings, held), held, settings, disposal.signal);

  const find = (kid: string): VerificationKey | undefined => held.usable()?.keys.get(kid);
  const getKey: Jwks["getKey"] = async ({ kid, alg }, { signal } = {}) => {
    signal?.throwIfAborted();
    disposal.signal.throwIfAborted();
    // jose hands over the header of a token as it was parsed.
    if (typeof kid !== "string") throw new TokenRejectedError("ERR_KEY_NOT_FOUND", "The token names no key");
    let key = find(kid);
    if (key === undefined) {
      await (held.usable() === undefined ? refresher.load(signal) : refresher.lookAgain(signal));
      key = find(kid);
    }
    if (key === undefined) throw new TokenRejectedError("ERR_KEY_NOT_FOUND", "The issuer publishes no such key");
    const imported = await key.key(alg ?? "");
    if (imported !== undefined) return imported;
    throw new TokenRejectedError("ERR_KEY_UNUSABLE", "The key does not serve the token's algorithm");
  };

  // All of a Jwks but that it can be called.
  const members: Omit<Jwks, never> = {
    getKey,
    peekKey({ kid, alg }) {
      if (disposal.signal.aborted || typeof kid !== "string") return undefined;
      const key = find(kid)?.key(alg ?? "");
      return key instanceof Promise ? undefined : key;
    },
    async refresh({ signal } = {}) {
      disposal.signal.throwIfAborted();
      await refresher.refresh(signal);
    },
    status() {
      const latest = held.latest();
      const ageMs = latest && clock.monotonicMs() - latest.requestedAtMs;
      return {
        state: latest === undefined ? (refresher.busy ? "loading" : "empty") : refresher.busy ? "refreshing" : "ready",
        usable: held.usable() !== undefined && !disposal.signal.aborted,
        stale: ageMs !== undefined && ageMs >= (latest?.ttlMs ?? 0),
        kids: [...(latest?.keySet.keys.keys() ?? [])],
        unusableKeys: latest?.keySet.unusableCount ?? 0,
        ageMs,
        consecutiveFailures: refresher.failures,
        lastFailure: refresher.lastFailure,
      };
    },
    onChange: (listener) => held.onChange(listener),
    [Symbol.dispose]: () =>
      disposal.abort(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "The key cache is disposed")),
  };
  return Object.assign((query: JwksKeyQuery) => getKey(query), members);
}
