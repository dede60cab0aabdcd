import { KeysUnavailableError, TokenRejectedError } from "../errors.js";
import { createHeldKeySet } from "./held-key-set.js";
import { createHydrate, takeSnapshot } from "./hydrate.js";
import type { Jwks, JwksKeyQuery } from "./jwks.js";
import type { JwksSettings } from "./jwks-options.js";
import { createJwksStatus } from "./jwks-status.js";
import type { KeySet } from "./key-set.js";
import { createKeySetRefresher } from "./key-set-refresher.js";
import { type AcquireSlot, createLoadKeySet, type KeySetLocation } from "./load-key-set.js";
import { createJwksMeasurements } from "./measurements.js";

/** Lets every request go at once: the bound of a key cache on its own is that it sends two at most. */
export const acquireNothing: AcquireSlot = async () => ({ [Symbol.dispose]() {} });

/** Makes the key cache that {@link createJwks} describes, of what was checked already. */
export function openJwks(location: KeySetLocation, settings: JwksSettings): Jwks {
  const { clock } = settings;
  settings.fetch.assertHost?.(new URL(location.href).hostname);
  const disposal = new AbortController();
  const held = createHeldKeySet(settings.staleWhileErrorMs, clock);
  const measurements = createJwksMeasurements(settings.telemetry, settings.labels);
  const loadKeySet = createLoadKeySet(location, settings, held, measurements);
  const refresher = createKeySetRefresher(loadKeySet, held, settings, measurements, disposal.signal);
  const hydrate = createHydrate(location.href, settings, held, disposal.signal);
  const status = createJwksStatus(held, refresher.health, settings, disposal.signal);

  /** Counts a request for a key; gives the set if the key is in it, or undefined when the set has to be fetched. */
  const findInHand = (kid: unknown, signal: AbortSignal | undefined): KeySet | undefined => {
    signal?.throwIfAborted();
    disposal.signal.throwIfAborted();
    // jose hands over the header of a token as it was parsed.
    if (typeof kid !== "string") throw new TokenRejectedError("ERR_KEY_NOT_FOUND", "The token names no key");
    const nowMs = clock.monotonicMs();
    const usable = held.usable(nowMs);
    const outcome = usable?.keys.has(kid) !== true ? "miss" : held.isStale(nowMs) ? "stale" : "hit";
    measurements.keyRequested(outcome);
    status.count(outcome);
    return outcome === "miss" ? undefined : usable;
  };

  /** The set in hand, after it was made sure that there is one: it may have ended the moment after. */
  const requireUsable = (): KeySet => {
    const keySet = held.usable();
    if (keySet !== undefined) return keySet;
    throw new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "The key set in hand may no longer be used");
  };

  /** Gives as new a set as can be had. */
  const fetchAnew = async (kid: string | undefined, signal: AbortSignal | undefined): Promise<KeySet> => {
    try {
      await (held.usable() === undefined ? refresher.load(signal) : refresher.lookAgain(signal));
    } catch (error) {
      // It may have come in another way meanwhile.
      const isThere = held.usable()?.keys.has(kid ?? "") === true;
      if (!isThere || signal?.aborted === true || disposal.signal.aborted) throw error;
    }
    return requireUsable();
  };

  // Every token comes this way: a key in hand costs one look at the clock and waits for nothing.
  const getKey: Jwks["getKey"] = async ({ kid, alg }, { signal } = {}) => {
    const keySet = findInHand(kid, signal) ?? (await fetchAnew(kid, signal));
    const key = keySet.keys.get(kid ?? "");
    if (key === undefined) throw keyNotFound();
    const imported = key.key(alg ?? "");
    if (imported !== undefined) return imported;
    throw new TokenRejectedError("ERR_KEY_UNUSABLE", "The key does not serve the token's algorithm");
  };

  // All of a Jwks but that it can be called.
  const members: Omit<Jwks, never> = {
    getKey,
    peekKey({ kid, alg }) {
      if (disposal.signal.aborted || typeof kid !== "string") return undefined;
      const key = held
        .usable()
        ?.keys.get(kid)
        ?.key(alg ?? "");
      return key instanceof Promise ? undefined : key;
    },
    async getPublicKeys({ kid, signal } = {}) {
      if (kid !== undefined) {
        const keySet = findInHand(kid, signal) ?? (await fetchAnew(kid, signal));
        const jwk = keySet.jwks.get(kid);
        if (jwk === undefined) throw keyNotFound();
        return [jwk];
      }
      signal?.throwIfAborted();
      disposal.signal.throwIfAborted();
      if (held.usable() === undefined) await refresher.load(signal);
      return [...requireUsable().jwks.values()];
    },
    async refresh({ signal } = {}) {
      disposal.signal.throwIfAborted();
      await refresher.refresh(signal);
    },
    snapshot: () => (disposal.signal.aborted ? undefined : takeSnapshot(location.href, held, clock)),
    async hydrate(snapshot) {
      const taken = await hydrate(snapshot);
      if (taken) refresher.confirm();
      return taken;
    },
    status: () => status.read(),
    onChange: (listener) => held.onChange(listener),
    [Symbol.dispose]: () =>
      disposal.abort(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "The key cache is disposed")),
  };
  return Object.assign((query: JwksKeyQuery) => getKey(query), members);
}

function keyNotFound(): TokenRejectedError {
  return new TokenRejectedError("ERR_KEY_NOT_FOUND", "The issuer publishes no such key");
}
