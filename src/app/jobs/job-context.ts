import type { Clock } from "../../lib/clock.js";
import type { Database } from "../database/database.js";
import type { JobSignals } from "./job-signals.js";
import type { Tickets } from "./tickets.js";

/** Bounds of the job service; every field is a positive number. */
export interface JobLimits {
  /** How long a lease lasts when the worker does not say, in milliseconds. */
  readonly leaseMs: number;
  /** How often execution is started when the submitter does not say. */
  readonly maxAttempts: number;
  /** How long a job waits after its first lost lease; doubled for each further one. In milliseconds. */
  readonly firstRetryDelayMs: number;
  /** Longest wait after a lost lease, in milliseconds. */
  readonly longestRetryDelayMs: number;
  /** How often leases that have run out are looked for, in milliseconds. */
  readonly sweepIntervalMs: number;
  /** How often a waiting stream looks for itself, should an announcement have been lost. In milliseconds. */
  readonly pollIntervalMs: number;
  /** Largest job, encoded, in bytes. */
  readonly maxJobBytes: number;
  /** Most events that a job may have. */
  readonly maxEvents: number;
  /** Most bytes that the events of a job may have together, encoded. */
  readonly maxEventBytes: number;
}

/** What every operation on jobs works with. */
export interface JobContext {
  readonly database: Database;
  readonly tickets: Tickets;
  readonly signals: JobSignals;
  readonly limits: JobLimits;
  readonly clock: Clock;
  /** Key that page tokens are authenticated with. */
  readonly pageTokenKey: Uint8Array;
  /** Aborts when the service ends: streams finish. */
  readonly closing: AbortSignal;
}
