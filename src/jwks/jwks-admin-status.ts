import type { JwksProviderStatus } from "./jwks-registry.js";

/**
 * Gives a status as operators see it: every field there, null for what is not known. Nothing is passed on that is not
 * listed here. In JSON, a number that is not finite becomes null too.
 */
export function toStatusBody(status: JwksProviderStatus): Readonly<Record<string, unknown>> {
  const { tenantId, providerId, url, issuer, state, usable, stale, circuit } = status;
  return {
    tenantId,
    providerId,
    url: withoutQuery(url),
    issuer: issuer ?? null,
    state,
    usable,
    stale,
    kids: status.kids,
    unusableKeys: status.unusableKeys,
    ageMs: status.ageMs ?? null,
    fetchedAtMs: status.fetchedAtMs ?? null,
    expiresAtMs: status.expiresAtMs ?? null,
    usableUntilMs: status.usableUntilMs ?? null,
    nextRefreshAtMs: status.nextRefreshAtMs ?? null,
    consecutiveFailures: status.consecutiveFailures,
    lastFailure: status.lastFailure ?? null,
    circuit,
    hits: status.hits,
    staleServed: status.staleServed,
    misses: status.misses,
    hitRate: status.hitRate,
  };
}

/** A query may hold what only the issuer and its client should know. */
function withoutQuery(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
