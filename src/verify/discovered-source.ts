import { KeysUnavailableError } from "../errors.js";
import type { Jwks } from "../jwks/jwks.js";
import type { JwksEvent } from "../jwks/jwks-event.js";
import { createJwksFacade, type JwksFacade } from "../jwks/jwks-facade.js";
import type { JwksSettings } from "../jwks/jwks-options.js";
import { acquireNothing, openJwks } from "../jwks/open-jwks.js";
import { notify } from "../lib/notify.js";
import { createDiscovery } from "./discovery.js";
import { createJwksSource } from "./jwks-source.js";
import type { KeySource } from "./key-source.js";
import { type DiscoverableIssuer, readJwksUri } from "./read-jwks-uri.js";

/** Where the keys are, and the cache of them. */
interface Discovered {
  readonly jwksUri: string;
  readonly cache: Jwks;
  /** Stays while caches come and go. */
  readonly facade: JwksFacade;
  /** Stays too. */
  readonly source: KeySource;
}

/**
 * Takes the keys of an issuer from the key set that its metadata names. Nothing is asked before the first key is.
 *
 * The metadata is read again in the background when it is older than `maxTtlMs`, and when a refresh of the key set fails,
 * which may have moved. While it cannot be read the key set in use stays. A key set at another place takes over once it
 * has been fetched, with all that it implies: keys that are not in it are gone, and so are the tokens they verified.
 *
 * @param settings - Of the key cache; its limits hold for the metadata too.
 * @throws TypeError if the fetch will not go to the issuer's host.
 */
export function createDiscoveredSource(issuer: DiscoverableIssuer, settings: JwksSettings): KeySource {
  settings.fetch.assertHost?.(new URL(issuer.issuer).hostname);
  const disposal = new AbortController();
  // All that are not disposed: a source may end while one takes the place of another.
  const caches = new Set<Jwks>();

  const onEvent = (event: JwksEvent): void => {
    notify(settings.onEvent, event);
    // A failed look for an unknown "kid" is no reason: strangers could then cause twice as many requests.
    if (event.type === "refresh_failed" && event.kind === "refresh") discovery.again();
  };
  const open = (jwksUri: string): Jwks => {
    const location = { href: jwksUri, rules: issuer.rules, acquireSlot: acquireNothing };
    const cache = openJwks(location, { ...settings, onEvent });
    caches.add(cache);
    return cache;
  };
  const close = (cache: Jwks): void => {
    caches.delete(cache);
    cache[Symbol.dispose]();
  };

  const begin = (jwksUri: string): Discovered => {
    const cache = open(jwksUri);
    const facade = createJwksFacade(cache);
    return { jwksUri, cache, facade, source: createJwksSource(facade.jwks, false) };
  };

  const move = async (latest: Discovered, jwksUri: string, signal: AbortSignal): Promise<Discovered> => {
    const cache = open(jwksUri);
    try {
      // The keys in hand are not given up for a place where there may be none.
      await cache.refresh({ signal });
    } catch (error) {
      close(cache);
      throw error;
    }
    close(latest.cache);
    latest.facade.replace(cache);
    return { ...latest, jwksUri, cache };
  };

  const discovery = createDiscovery<Discovered>({
    issuer: issuer.issuer,
    settings,
    disposal: disposal.signal,
    async find(signal, latest) {
      const jwksUri = await readJwksUri(issuer, settings, signal);
      if (latest === undefined) return begin(jwksUri);
      return latest.jwksUri === jwksUri ? latest : move(latest, jwksUri, signal);
    },
  });

  return {
    async getKey(kid, algorithm) {
      const { source } = await discovery.get();
      return source.getKey(kid, algorithm);
    },
    isCurrent: (kid, algorithm, handle) => discovery.peek()?.source.isCurrent(kid, algorithm, handle) ?? false,
    get generation() {
      return discovery.peek()?.source.generation ?? 0;
    },
    // The issuer alone says which keys are in its set.
    forgetKey() {},
    [Symbol.dispose]() {
      disposal.abort(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "The verifier is disposed"));
      discovery.peek()?.source[Symbol.dispose]();
      for (const cache of caches) close(cache);
    },
  };
}
