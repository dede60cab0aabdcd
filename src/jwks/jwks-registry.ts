import { KeysUnavailableError, TokenRejectedError } from "../errors.js";
import { notify } from "../lib/notify.js";
import { withoutUndefined } from "../lib/options.js";
import type { Jwks, JwksStatus } from "./jwks.js";
import type { JwksEvent } from "./jwks-event.js";
import { type JwksRegistryOptions, resolveRegistryOptions } from "./jwks-registry-options.js";
import type { PublicJwk } from "./key-set.js";
import { createProviderMap } from "./provider-map.js";
import { createRegisteredProvider, type RegisteredProvider } from "./registered-provider.js";
import { type JwksRegistration, type ResolvedRegistration, resolveRegistration } from "./registration.js";
import { createRequestLimiter } from "./request-limiter.js";
import { persistSnapshots, restoreSnapshots } from "./snapshot-batch.js";
import { createSnapshotKeeper, type SnapshotEntry } from "./snapshot-keeper.js";
import type { SnapshotSummary } from "./snapshot-store.js";

/** A {@link JwksEvent} and whose it is, or what happened to a snapshot. */
export type JwksRegistryEvent = (
  | JwksEvent
  | {
      readonly type: "snapshot_failed";
      readonly operation: "get" | "set" | "delete";
      readonly reason: "timeout" | "store" | "refused";
    }
) & { readonly tenantId: string; readonly providerId: string };

/** How a registered provider is doing. */
export interface JwksProviderStatus extends JwksStatus {
  /** Whose it is. */
  readonly tenantId: string;
  /** Which of the tenant's. */
  readonly providerId: string;
  /** Where its keys are fetched. */
  readonly url: string;
  /** "iss" of its tokens, where registered. */
  readonly issuer: string | undefined;
}

/**
 * The key caches of many tenants; each its own, none in the way of another.
 *
 * Once it is disposed, nothing is registered: methods that answer at once answer so, the others throw or reject with
 * {@link KeysUnavailableError} `ERR_KEYS_UNAVAILABLE`.
 */
export interface JwksRegistry extends AsyncDisposable {
  /**
   * Adds a provider. Nothing is fetched yet.
   *
   * @throws TypeError or RangeError naming the field that cannot be used, or if the provider is registered already.
   */
  register(registration: JwksRegistration): void;
  /**
   * Replaces a registration as a whole; what it does not set is as the registry's defaults say, but for `fetch` and
   * `allowLoopbackHttp`, which stay: an operator who changes a limit by {@link createJwksAdmin} cannot name them, and must
   * not drop the pins of the one or loosen the other. If the URL and the issuer
   * stay, so do the keys in hand, as far as the new limits let them, and they are confirmed at once; otherwise they are
   * dropped at once, their snapshot too. Whoever holds the provider's {@link Jwks} keeps it, and whoever waits for a key
   * waits on. Cooldowns and counters begin anew.
   *
   * @throws TypeError or RangeError naming the field that cannot be used, or if the provider is not registered. Then
   * nothing has changed.
   */
  update(registration: JwksRegistration): void;
  /**
   * Ends a provider: its timers, its requests, its snapshot. Its {@link Jwks} rejects from now on, even when the same ids
   * are registered again.
   *
   * @returns Whether it was registered.
   */
  unregister(tenantId: string, providerId: string): boolean;
  /**
   * The key cache of a provider, for `jwtVerify` or a trusted issuer; undefined when not registered. Always the same one
   * while the provider is registered; disposing it does nothing, for it belongs to the registry.
   */
  provider(tenantId: string, providerId: string): Jwks | undefined;
  /**
   * Gives the usable public keys of a provider, or the one of a "kid"; fetches them when there are none, and looks again
   * for an unknown "kid", as {@link Jwks.getPublicKeys} does and with the same errors.
   *
   * Ids often come with the request of a stranger. For those that are not registered it rejects with
   * {@link TokenRejectedError} `ERR_KEY_NOT_FOUND`, as for an unknown "kid": no key verifies such a token, and waiting
   * does not help.
   *
   * @param options - `signal` ends the wait of this caller alone.
   */
  resolve(
    tenantId: string,
    providerId: string,
    kid?: string,
    options?: { readonly signal?: AbortSignal },
  ): Promise<readonly PublicJwk[]>;
  /**
   * Fetches the keys of a provider now, cooldowns notwithstanding; see {@link Jwks.refresh}. Rejects like
   * {@link JwksRegistry.resolve} when it is not registered.
   */
  refresh(tenantId: string, providerId: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** How a provider is doing; undefined when not registered. */
  status(tenantId: string, providerId: string): JwksProviderStatus | undefined;
  /** How all are doing, or all of one tenant, in the order of registration. */
  statuses(tenantId?: string): readonly JwksProviderStatus[];
  /**
   * Writes the key set of every provider to the store, as happens anyway after each successful refresh. Never rejects
   * because of the store. Without `snapshots` it does nothing.
   */
  persistAll(): Promise<SnapshotSummary>;
  /**
   * Takes key sets from the store for providers without one or with an older one, and has each confirmed at once. To be
   * called after registering, before serving. Never rejects because of the store. Without `snapshots` it does nothing.
   */
  restore(): Promise<SnapshotSummary>;
  /** Ends all providers at once, then waits for writes of snapshots under way, but no longer than for one answer. */
  [Symbol.asyncDispose](): Promise<void>;
}

const NOTHING_TO_DO: SnapshotSummary = { done: 0, missing: 0, refused: 0, failed: 0 };

/**
 * Creates a registry of key caches: one for each issuer of each tenant, as {@link createJwks} makes them.
 *
 * Nothing is shared between providers but the number of requests under way. A provider sends one at a time, a tenant
 * `maxConcurrentRequestsPerTenant`, all together `maxConcurrentRequests`. Tenants take turns, those without a request
 * under way first, and a quarter of all requests is kept for them: a tenant whose issuers hang delays its own requests.
 * A wait for a turn counts towards `totalTimeoutMs`. A look-up costs the same however many are registered.
 *
 * Registrations are configuration. Every option is checked, and one that is unknown is refused by name.
 *
 * With `snapshots`, key sets survive a restart: each is written to the store after a successful refresh, and
 * {@link JwksRegistry.restore} takes them from there. No request waits for the store.
 *
 * Holds one timer per provider that has keys, none of which keeps the process alive; disposing ends all timers and
 * requests.
 *
 * @example
 * ```ts
 * import { createJwksRegistry } from "latchkey/jwks";
 * import { createServerAuth } from "latchkey/server";
 *
 * await using registry = createJwksRegistry({ allowedDomains: ["idp.example"], defaults: { maxTtlMs: 15 * 60 * 1_000 } });
 * registry.register({ tenantId: "acme", providerId: "staff", url: "https://acme.idp.example/jwks.json" });
 * const jwks = registry.provider("acme", "staff");
 * if (jwks === undefined) throw new Error("acme has no staff");
 * const auth = createServerAuth({
 *   issuers: [{ issuer: "https://acme.idp.example", audience: "https://jobs.example", algorithms: ["ES256"], jwks }],
 * });
 * ```
 *
 * @param options - Limits, defaults and collaborators; every field has a default.
 * @returns A registry without providers. One per process.
 * @throws TypeError or RangeError naming the option that is unknown or cannot be used.
 */
export function createJwksRegistry(options: JwksRegistryOptions = {}): JwksRegistry {
  const { onEvent, limits, ...context } = resolveRegistryOptions(options, "options");
  const { telemetry, clock } = context;
  const limiter = createRequestLimiter(limits);
  const tell = (event: JwksRegistryEvent): void => notify(onEvent, event);
  const keeper =
    options.snapshots &&
    createSnapshotKeeper(options.snapshots, {
      clock,
      telemetry,
      onFailure: (failure) => tell({ type: "snapshot_failed", ...failure }),
    });
  const providers = createProviderMap<RegisteredProvider>();
  let disposal: Promise<void> | undefined;

  const resolveOpen = (registration: JwksRegistration): ResolvedRegistration => {
    if (disposal !== undefined) throw disposed();
    return resolveRegistration(registration, context, "registration");
  };
  const requireProvider = (tenantId: string, providerId: string): RegisteredProvider => {
    if (disposal !== undefined) throw disposed();
    const provider = providers.get(tenantId, providerId);
    if (provider !== undefined) return provider;
    throw new TokenRejectedError("ERR_KEY_NOT_FOUND", "No such provider is registered");
  };

  return {
    register(registration) {
      const resolved = resolveOpen(registration);
      const { tenantId, providerId } = resolved;
      if (providers.get(tenantId, providerId) !== undefined) {
        throw new TypeError(`registration: ${tenantId}/${providerId} is registered already`);
      }
      const provider = createRegisteredProvider(
        resolved,
        (signal) => limiter.acquire(tenantId, signal),
        (event) => {
          if (event.type === "refreshed") void keeper?.save(toEntry(provider));
          tell({ ...event, tenantId, providerId });
        },
      );
      providers.add(tenantId, providerId, provider);
    },
    update(registration) {
      const provider = providers.get(registration?.tenantId, registration?.providerId);
      const resolved = resolveOpen(provider === undefined ? registration : keepInCode(provider, registration));
      if (provider === undefined) {
        throw new TypeError(`registration: ${resolved.tenantId}/${resolved.providerId} is not registered`);
      }
      if (!provider.update(resolved)) void keeper?.remove(resolved);
    },
    unregister(tenantId, providerId) {
      const provider = providers.take(tenantId, providerId);
      if (provider === undefined) return false;
      provider[Symbol.dispose]();
      void keeper?.remove({ tenantId, providerId });
      return true;
    },
    provider: (tenantId, providerId) => providers.get(tenantId, providerId)?.jwks,
    async resolve(tenantId, providerId, kid, { signal } = {}) {
      return requireProvider(tenantId, providerId).jwks.getPublicKeys(withoutUndefined({ kid, signal }));
    },
    async refresh(tenantId, providerId, refreshOptions) {
      await requireProvider(tenantId, providerId).jwks.refresh(refreshOptions);
    },
    status(tenantId, providerId) {
      const provider = providers.get(tenantId, providerId);
      return provider && toStatus(provider);
    },
    statuses: (tenantId) => providers.values(tenantId).map(toStatus),
    persistAll: async () => (keeper ? persistSnapshots(keeper, providers.values().map(toEntry)) : NOTHING_TO_DO),
    restore: async () => (keeper ? restoreSnapshots(keeper, providers.values().map(toEntry)) : NOTHING_TO_DO),
    [Symbol.asyncDispose]() {
      for (const provider of providers.values()) {
        const { tenantId, providerId } = provider.registration;
        providers.take(tenantId, providerId)?.[Symbol.dispose]();
      }
      disposal ??= (async () => keeper?.[Symbol.asyncDispose]())();
      return disposal;
    },
  };
}

/** What only code can say stays unless code says otherwise. */
function keepInCode({ registration: { settings } }: RegisteredProvider, next: JwksRegistration): JwksRegistration {
  const { fetch = settings.fetch, allowLoopbackHttp = settings.allowLoopbackHttp } = next;
  return { ...next, fetch, allowLoopbackHttp };
}

function toStatus({ registration, jwks }: RegisteredProvider): JwksProviderStatus {
  const { tenantId, providerId, href: url, issuer } = registration;
  return { tenantId, providerId, url, issuer, ...jwks.status() };
}

// The cache itself, which ends with this registration: what the store says late is not for the next one.
function toEntry({ registration, cache: jwks }: RegisteredProvider): SnapshotEntry {
  const { tenantId, providerId, href: url, issuer, settings } = registration;
  return { tenantId, providerId, url, issuer, jwks, settings };
}

function disposed(): KeysUnavailableError {
  return new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "The registry is disposed");
}
