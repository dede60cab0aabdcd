import { randomBytes, randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type ServiceImpl,
} from "@connectrpc/connect";
import {
  type DequeueJobsResponse,
  DequeueJobsResponseSchema,
  JobEventService,
  JobSchema,
  JobService,
  type Lease,
  LeaseSchema,
} from "#gen/latchkey/jobs/v1/jobs_pb.js";
import { toConnectError } from "../../src/connect-errors.js";
import { TokenRejectedError } from "../../src/errors.js";

/** Clients of a job service that a test scripts, without a network. */
export interface JobClients {
  readonly jobs: Client<typeof JobService>;
  readonly events: Client<typeof JobEventService>;
}

/** Connects clients to the methods that a test gives; all others are not implemented. */
export function connectJobClients(script: {
  readonly jobs?: Partial<ServiceImpl<typeof JobService>>;
  readonly events?: Partial<ServiceImpl<typeof JobEventService>>;
}): JobClients {
  const transport = createRouterTransport((router) => {
    router.service(JobService, script.jobs ?? {});
    router.service(JobEventService, script.events ?? {});
  });
  return { jobs: createClient(JobService, transport), events: createClient(JobEventService, transport) };
}

/** Makes a lease of a job. */
export function makeLease(jobId: string = randomUUID()): Lease {
  return create(LeaseSchema, { jobId, attempt: 1, token: randomBytes(16) });
}

/** Makes a job as it is delivered to a worker. */
export function makeDelivery(command: string, ...args: readonly string[]): DequeueJobsResponse {
  const lease = makeLease();
  const job = create(JobSchema, {
    id: lease.jobId,
    orgId: "acme",
    queue: "default",
    command,
    args: [...args],
    attempt: 1,
  });
  return create(DequeueJobsResponseSchema, { job, lease });
}

/** What a server ends a stream with when its token has expired. */
export function tokenExpired(): ConnectError {
  return toConnectError(new TokenRejectedError("ERR_TOKEN_EXPIRED", "the token expired"));
}

/** What a server answers that is away for a moment. */
export function away(): ConnectError {
  return new ConnectError("away", Code.Unavailable);
}

/** What a server answers about a lease that is not held. */
export function leaseNotHeld(): ConnectError {
  return new ConnectError("the lease is not held", Code.FailedPrecondition);
}
