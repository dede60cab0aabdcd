import type { ConnectRouter } from "@connectrpc/connect";
import { JobEventService, JobService } from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { createJobEventService } from "./job-event-service.js";
import { createJobService } from "./job-service.js";
import type { Jobs } from "./jobs.js";

/** Options of {@link registerJobServices}. */
export interface JobServicesOptions {
  /** The jobs to serve; the caller disposes them. */
  readonly jobs: Jobs;
  /** Aborts when the server begins to shut down: streams end, so that it need not wait for their peers. */
  readonly shutdownSignal?: AbortSignal;
}

/**
 * Adds `JobService` and `JobEventService` to a router. The server's authentication must be mounted round it: a method
 * that finds no verified caller refuses the call.
 */
export function registerJobServices(router: ConnectRouter, { jobs, shutdownSignal }: JobServicesOptions): void {
  router.service(JobService, createJobService(jobs));
  router.service(JobEventService, createJobEventService(jobs));
  if (shutdownSignal?.aborted === true) jobs.drain();
  else shutdownSignal?.addEventListener("abort", () => jobs.drain(), { once: true });
}
