import type { Logger } from "pino";
import type { JwksEvent } from "../../jwks/jwks-event.js";
import { createJwksRegistry, type JwksRegistry, type JwksRegistryEvent } from "../../jwks/jwks-registry.js";
import type { SnapshotOptions } from "../../jwks/snapshot-store.js";
import { notify } from "../../lib/notify.js";
import type { TrustedIssuer } from "../../verify/trusted-issuer.js";
import { loadPart } from "../load-part.js";
import { nameProviders } from "./provider-names.js";
import type { Resources } from "./resources.js";
import type { ServerSettings, SnapshotServer } from "./server-options.js";

/** Tenant of the server's own keys; `own` is its one provider. */
const OWN_TENANT = "latchkey";
/** Tenant of the issuers that the server was told to trust; see {@link nameProviders} for its providers. */
const TRUST_TENANT = "trust";
const OWN_PROVIDER = "own";

const DEFAULTS = { maxConcurrentRequests: 64, maxConcurrentRequestsPerTenant: 8 } as const;

/** Options of {@link openKeyRegistry}. */
export interface KeyRegistryOptions extends Pick<ServerSettings, "trustedIssuers" | "snapshots" | "log"> {
  /** "iss" of the server's own tokens. */
  readonly issuer: string;
}

/**
 * Opens the registry of all key caches of the server, without any yet, and with it the connection to where key sets are
 * kept. What is opened is added to `resources`.
 */
export async function openKeyRegistry(
  { trustedIssuers, snapshots, log, issuer }: KeyRegistryOptions,
  resources: Resources,
): Promise<JwksRegistry> {
  // Each issuer has one request under way at most: those that hang must not hold up the others of their tenant.
  const perTenant = DEFAULTS.maxConcurrentRequestsPerTenant + trustedIssuers.length;
  const kept = snapshots && (await openSnapshots(snapshots, issuer, log, resources));
  const registry = createJwksRegistry({
    maxConcurrentRequests: DEFAULTS.maxConcurrentRequests + perTenant,
    maxConcurrentRequestsPerTenant: perTenant,
    ...(kept !== undefined && { snapshots: kept }),
    onEvent: (event) => logEvent(log, event),
  });
  resources.use(registry);
  return registry;
}

async function openSnapshots(
  { redisUrl, secrets }: SnapshotServer,
  issuer: string,
  log: Logger,
  resources: Resources,
): Promise<SnapshotOptions> {
  const { openSnapshotRedis } = await loadPart(() => import("./snapshot-redis.js"));
  const redis = await openSnapshotRedis(redisUrl, log);
  resources.use(redis);
  // Services may share a Redis server and trust other issuers under the same names.
  return { store: redis.store, secret: secrets, keyPrefix: `latchkey:jwks:${issuer}:` };
}

/**
 * Registers the issuers whose keys are at a URL, and gives all issuers with the key caches in the place of the URLs.
 * Nothing is fetched yet.
 *
 * Issuers with `discovery` say themselves where their keys are, and may say otherwise tomorrow, while a registration is
 * what operators have decided: they are not registered and keep caches of their own, which tell the log the same things,
 * and their own listener too.
 *
 * @throws TypeError or RangeError naming the option of an issuer that cannot be used.
 */
export function registerTrustedIssuers(
  registry: JwksRegistry,
  issuers: readonly TrustedIssuer[],
  log: Logger,
): readonly TrustedIssuer[] {
  const names = nameProviders(issuers.map(({ issuer }) => issuer));
  return issuers.map((trusted, index) => {
    const providerId = names[index] ?? "";
    if (trusted.discovery === undefined) return register(registry, trusted, TRUST_TENANT, providerId);
    const { onEvent: tell = () => {} } = trusted.jwksOptions ?? {};
    const onEvent = (event: JwksEvent): void => {
      logEvent(log, { ...event, tenantId: TRUST_TENANT, providerId });
      notify(tell, event);
    };
    return { ...trusted, jwksOptions: { allowLoopbackHttp: true, ...trusted.jwksOptions, onEvent } };
  });
}

/** Registers the server's own issuer, as {@link registerTrustedIssuers} does. */
export function registerOwnIssuer(registry: JwksRegistry, own: TrustedIssuer): TrustedIssuer {
  return register(registry, own, OWN_TENANT, OWN_PROVIDER);
}

/**
 * Tells which providers operators must leave alone. Without its own keys the server would lock its operators out. The
 * others may be changed, until the next start, and not ended: the server goes on trusting the issuer, and a provider that
 * is registered anew would be another one.
 */
export function isReadOnlyProvider(tenantId: string, _providerId: string, method: "PUT" | "DELETE"): boolean {
  return tenantId === OWN_TENANT || (tenantId === TRUST_TENANT && method === "DELETE");
}

const LEVELS = {
  refreshed: "debug",
  refresh_failed: "warn",
  alarm: "error",
  circuit: "warn",
  discovered: "debug",
  discovery_failed: "warn",
  snapshot_failed: "warn",
} as const satisfies Readonly<Record<JwksRegistryEvent["type"], string>>;

function logEvent(log: Logger, event: JwksRegistryEvent): void {
  log[LEVELS[event.type]](event, "key set");
}

function register(
  registry: JwksRegistry,
  { jwksUri, jwksOptions, ...trusted }: TrustedIssuer,
  tenantId: string,
  providerId: string,
): TrustedIssuer {
  if (jwksUri === undefined) return trusted;
  const { issuer } = trusted;
  registry.register({ allowLoopbackHttp: true, ...jwksOptions, tenantId, providerId, url: jwksUri, issuer });
  const jwks = registry.provider(tenantId, providerId);
  return jwks === undefined ? trusted : { ...trusted, jwks };
}
