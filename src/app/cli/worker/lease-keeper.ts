import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { JobService, Lease } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { backoffMs, delay } from "../delay.js";
import { isLeaseLost, isTransient } from "../error-info.js";

/** Why a lease ended before the job did. */
export type LeaseEnd =
  | { readonly why: "cancelled" }
  | { readonly why: "lost" }
  | { readonly why: "failed"; readonly error: unknown };

/** Options of {@link keepLease}. */
export interface LeaseKeeperOptions {
  readonly client: Client<typeof JobService>;
  readonly lease: Lease;
  /** How long the lease lasts from each extension on. */
  readonly leaseMs: number;
  /** Ends the keeping; the lease then runs out by itself. */
  readonly signal: AbortSignal;
}

const DEFAULTS = {
  /** A call that hangs must leave time for another one before the lease ends. */
  callTimeoutMs: 5_000,
} satisfies Record<string, number>;

/**
 * Extends a lease every third of its duration until it ends or the signal aborts.
 *
 * When the server cannot be reached the lease counts as lost the moment it would end: from then on the job may run
 * elsewhere.
 *
 * @returns Why the lease ended; undefined when the signal aborted.
 */
export async function keepLease(options: LeaseKeeperOptions): Promise<LeaseEnd | undefined> {
  const { client, lease, leaseMs, signal } = options;
  let endsAtMs = performance.now() + leaseMs;
  let failures = 0;
  while (!signal.aborted) {
    const waitMs = failures === 0 ? leaseMs / 3 : backoffMs(failures);
    await delay(Math.min(waitMs, Math.max(0, endsAtMs - performance.now())), signal);
    if (signal.aborted) break;
    // Counted from before the call: the server's lease ends no earlier than this.
    const askedAtMs = performance.now();
    // Whole milliseconds: the deadline travels in a header.
    const leftMs = Math.floor(endsAtMs - askedAtMs);
    if (leftMs <= 0) return { why: "lost" };
    try {
      const leaseDuration = durationFromMs(leaseMs);
      const { cancelled } = await client.extendLease(
        { lease, leaseDuration },
        { signal, timeoutMs: Math.min(leftMs, DEFAULTS.callTimeoutMs) },
      );
      if (cancelled) return { why: "cancelled" };
      endsAtMs = askedAtMs + leaseMs;
      failures = 0;
    } catch (error) {
      if (signal.aborted) break;
      if (isLeaseLost(error)) return { why: "lost" };
      if (!isTransient(error)) return { why: "failed", error };
      failures++;
    }
  }
  return undefined;
}
