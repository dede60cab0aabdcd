import { assertPositiveInteger } from "../lib/options.js";

/** How many requests may be under way at a time. */
export interface RequestLimits {
  /** Over all tenants. */
  readonly maxConcurrentRequests: number;
  /** Of one tenant. */
  readonly maxConcurrentRequestsPerTenant: number;
}

/** Shares a number of concurrent requests among tenants. */
export interface RequestLimiter {
  /**
   * Waits until a request of a tenant may be sent.
   *
   * @param signal - Ends the wait; once it is over, the signal has no say.
   * @returns The permission, to be disposed when the request has ended, or rejects with the signal's reason.
   */
  acquire(tenantId: string, signal: AbortSignal): Promise<Disposable>;
}

/** A tenant that has requests under way or waiting. */
interface Lane {
  underWay: number;
  /** In order of arrival; calling one lets it go. */
  readonly waiting: Set<() => void>;
}

const DEFAULTS = {
  maxConcurrentRequests: 64,
  maxConcurrentRequestsPerTenant: 8,
} as const satisfies RequestLimits;

// Of all requests, the part that is kept for tenants without any: some that are slow with many do not fill it.
const RESERVED = 1 / 4;

/**
 * Fills in the defaults.
 *
 * @param field - What the options are called in error messages, such as `options`.
 * @throws TypeError or RangeError naming the field that cannot be used.
 */
export function resolveRequestLimits(options: Partial<RequestLimits>, field: string): RequestLimits {
  const { maxConcurrentRequests = DEFAULTS.maxConcurrentRequests } = options;
  assertPositiveInteger(`${field}.maxConcurrentRequests`, maxConcurrentRequests);
  const ownDefault = Math.min(DEFAULTS.maxConcurrentRequestsPerTenant, maxConcurrentRequests);
  const { maxConcurrentRequestsPerTenant = ownDefault } = options;
  assertPositiveInteger(`${field}.maxConcurrentRequestsPerTenant`, maxConcurrentRequestsPerTenant);
  if (maxConcurrentRequestsPerTenant > maxConcurrentRequests) {
    throw new RangeError(
      `${field}.maxConcurrentRequestsPerTenant must not exceed maxConcurrentRequests (${maxConcurrentRequests}), got ${maxConcurrentRequestsPerTenant}`,
    );
  }
  return { maxConcurrentRequests, maxConcurrentRequestsPerTenant };
}

/**
 * Creates a {@link RequestLimiter}.
 *
 * Tenants take turns. One without a request under way goes before all that have some, and a quarter of the requests is
 * kept for such tenants: however many providers of a tenant hang, another's first request need not wait for them. Each
 * turn costs the same however many wait. Nothing is kept of a tenant that has nothing under way or waiting.
 */
export function createRequestLimiter({
  maxConcurrentRequests,
  maxConcurrentRequestsPerTenant,
}: RequestLimits): RequestLimiter {
  const lanes = new Map<string, Lane>();
  // Lanes whose turn may come, those at the front first.
  const idle = new Set<Lane>();
  const busy = new Set<Lane>();
  // A tenant that is alone reaches its own limit all the same.
  const reserved = Math.min(
    Math.floor(maxConcurrentRequests * RESERVED),
    maxConcurrentRequests - maxConcurrentRequestsPerTenant,
  );
  let underWay = 0;

  const enter = (tenantId: string): Lane => {
    const lane = lanes.get(tenantId) ?? { underWay: 0, waiting: new Set() };
    lanes.set(tenantId, lane);
    return lane;
  };

  const queueFor = ({ underWay: own, waiting }: Lane): Set<Lane> | undefined => {
    if (waiting.size === 0 || own >= maxConcurrentRequestsPerTenant) return undefined;
    return own === 0 ? idle : busy;
  };
  // A lane that stays in its queue keeps its place.
  const requeue = (tenantId: string, lane: Lane): void => {
    const queue = queueFor(lane);
    if (queue !== idle) idle.delete(lane);
    if (queue !== busy) busy.delete(lane);
    queue?.add(lane);
    if (lane.underWay === 0 && lane.waiting.size === 0) lanes.delete(tenantId);
  };

  const letGo = (): void => {
    while (underWay < maxConcurrentRequests) {
      const [lane] = idle.size > 0 ? idle : underWay < maxConcurrentRequests - reserved ? busy : [];
      const [next] = lane?.waiting ?? [];
      if (next === undefined) return;
      next();
    }
  };

  return {
    async acquire(tenantId, signal) {
      signal.throwIfAborted();
      return new Promise((resolve, reject) => {
        const lane = enter(tenantId);
        let held = true;
        const slot: Disposable = {
          [Symbol.dispose]() {
            if (!held) return;
            held = false;
            underWay--;
            lane.underWay--;
            requeue(tenantId, lane);
            letGo();
          },
        };
        const leave = (): void => {
          lane.waiting.delete(start);
          requeue(tenantId, lane);
          reject(signal.reason);
        };
        const start = (): void => {
          signal.removeEventListener("abort", leave);
          lane.waiting.delete(start);
          underWay++;
          lane.underWay++;
          // To the end: the others have their turn first.
          idle.delete(lane);
          busy.delete(lane);
          requeue(tenantId, lane);
          resolve(slot);
        };
        lane.waiting.add(start);
        signal.addEventListener("abort", leave, { once: true });
        requeue(tenantId, lane);
        letGo();
      });
    },
  };
}
