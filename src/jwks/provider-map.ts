/** What is registered under a tenant and a provider. */
export interface ProviderMap<T> {
  /** Gives what was set, or undefined. */
  get(tenantId: string, providerId: string): T | undefined;
  /** Sets what is not set yet. */
  add(tenantId: string, providerId: string, value: T): void;
  /** Drops what was set, and gives it. */
  take(tenantId: string, providerId: string): T | undefined;
  /** All values, or those of a tenant, in the order in which they were set. */
  values(tenantId?: string): T[];
}

/**
 * Creates an empty {@link ProviderMap}.
 *
 * A look-up costs the same however much is in it. Names are compared as they are, in maps within a map: no two pairs of
 * names run together into one, and none means anything to the language.
 */
export function createProviderMap<T>(): ProviderMap<T> {
  const tenants = new Map<string, Map<string, T>>();
  const all = new Set<T>();
  return {
    get: (tenantId, providerId) => tenants.get(tenantId)?.get(providerId),
    add(tenantId, providerId, value) {
      const providers = tenants.get(tenantId) ?? new Map<string, T>();
      tenants.set(tenantId, providers);
      providers.set(providerId, value);
      all.add(value);
    },
    take(tenantId, providerId) {
      const providers = tenants.get(tenantId);
      const value = providers?.get(providerId);
      if (providers === undefined || value === undefined) return undefined;
      providers.delete(providerId);
      if (providers.size === 0) tenants.delete(tenantId);
      all.delete(value);
      return value;
    },
    values: (tenantId) => [...(tenantId === undefined ? all : (tenants.get(tenantId)?.values() ?? []))],
  };
}
