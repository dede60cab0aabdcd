import type { Jwks } from "./jwks.js";
import type { JwksEvent } from "./jwks-event.js";
import { createJwksFacade } from "./jwks-facade.js";
import type { JwksSnapshot } from "./jwks-snapshot.js";
import type { AcquireSlot } from "./load-key-set.js";
import { openJwks } from "./open-jwks.js";
import type { ResolvedRegistration } from "./registration.js";
import { createRequestLimiter } from "./request-limiter.js";

/** A provider from when it is registered until it is unregistered, whatever its registration changes to meanwhile. */
export interface RegisteredProvider extends Disposable {
  /** For whoever uses its keys; stays the same. */
  readonly jwks: Jwks;
  /** The present registration. */
  readonly registration: ResolvedRegistration;
  /** The cache that was made for it. */
  readonly cache: Jwks;
  /**
   * Puts a registration in the place of the one before. The keys in hand stay if the URL and the issuer do.
   *
   * @returns Whether they do.
   * @throws TypeError if the fetch of the registration will not go to its host; then the one before stays.
   */
  update(registration: ResolvedRegistration): boolean;
  /** Ends the cache: its timers and requests. Nothing is told any more. */
  [Symbol.dispose](): void;
}

/**
 * Creates a {@link RegisteredProvider}. It sends one request at a time, a registration replaced notwithstanding.
 *
 * @param acquireSlot - Asked before each request.
 * @param onEvent - Told what happens to the keys of the present registration.
 * @throws TypeError if the fetch of the registration will not go to its host.
 */
export function createRegisteredProvider(
  first: ResolvedRegistration,
  acquireSlot: AcquireSlot,
  onEvent: (event: JwksEvent) => void,
): RegisteredProvider {
  const acquireTurn = inTurn(acquireSlot);
  const open = (opened: ResolvedRegistration): Jwks =>
    openJwks(
      { href: opened.href, rules: opened.rules, acquireSlot: acquireTurn },
      {
        ...opened.settings,
        onEvent(event) {
          if (opened === registration && !ended) onEvent(event);
        },
      },
    );
  let ended = false;
  let registration = first;
  let cache = open(first);
  // Keys on their way from the cache before.
  let inherited: JwksSnapshot | undefined;
  const facade = createJwksFacade(cache);

  const inherit = async (heir: Jwks, snapshot: JwksSnapshot): Promise<void> => {
    inherited = snapshot;
    // What does not fit the new limits is fetched anew.
    await heir.hydrate(snapshot).catch(() => {});
    if (heir === cache) inherited = undefined;
  };

  return {
    jwks: facade.jwks,
    get registration() {
      return registration;
    },
    get cache() {
      return cache;
    },
    update(next) {
      const heir = open(next);
      const isSame = next.href === registration.href && next.issuer === registration.issuer;
      const snapshot = isSame ? (cache.snapshot() ?? inherited) : undefined;
      cache[Symbol.dispose]();
      registration = next;
      cache = heir;
      inherited = undefined;
      facade.replace(heir, snapshot && inherit(heir, snapshot));
      return isSame;
    },
    [Symbol.dispose]() {
      ended = true;
      cache[Symbol.dispose]();
    },
  };
}

/** Waits for the request before to end, and only then for a slot. */
function inTurn(acquireSlot: AcquireSlot): AcquireSlot {
  const turns = createRequestLimiter({ maxConcurrentRequests: 1, maxConcurrentRequestsPerTenant: 1 });
  return async (signal) => {
    const turn = await turns.acquire("", signal);
    try {
      const slot = await acquireSlot(signal);
      return {
        [Symbol.dispose]() {
          slot[Symbol.dispose]();
          turn[Symbol.dispose]();
        },
      };
    } catch (error) {
      turn[Symbol.dispose]();
      throw error;
    }
  };
}
