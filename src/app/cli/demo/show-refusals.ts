import { randomUUID } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import type { TokenIssuer } from "../../../issuer/token-issuer.js";
import { openConnection } from "../connection.js";
import { createIssuedClient } from "./issued-client.js";
import { check, type Tour } from "./tour.js";
import type { Workspace } from "./workspace.js";

/** What the refusals are shown with. */
export interface RefusalOptions {
  readonly workspace: Workspace;
  readonly server: string;
  /** The server's own issuer. */
  readonly tokens: TokenIssuer;
  /** A job of the organisation. */
  readonly jobId: string;
}

/** Shows who is refused, and how. */
export async function showRefusals(tour: Tour, { workspace, server, tokens, jobId }: RefusalOptions): Promise<void> {
  await tour.step("Refused: no token", async () => {
    const response = await fetch(`${server}/latchkey.jobs.v1.JobService/ListJobs`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ orgId: "acme" }),
    });
    const challenge = response.headers.get("www-authenticate");
    await response.arrayBuffer();
    check(response.status === 401 && challenge?.startsWith("Bearer ") === true, "401 with a Bearer challenge");
    return `HTTP ${response.status}, www-authenticate: ${challenge}`;
  });
  await tour.step("Refused: wrong role", async () => {
    const { exitCode, stderr } = await workspace.run(["submit", "--credential", "worker-1", "--", "true"]);
    check(exitCode === 1 && stderr.includes("may not do this"), "a worker may not submit");
    return stderr.trim();
  });
  await tour.step("Refused: another organisation", async () => {
    const stranger = createIssuedClient(server, tokens, { subject: "mallory", org: "globex", roles: ["admin"] });
    const listed = await refusal(stranger.listJobs({ orgId: "acme" }));
    const read = await refusal(stranger.getJob({ jobId }));
    const madeUp = await refusal(stranger.getJob({ jobId: randomUUID() }));
    check(listed.code === Code.PermissionDenied, "its jobs are not listed");
    check(read.code === Code.NotFound && read.message === madeUp.message, "a job of it looks like one that never was");
    return `an admin of globex gets "${listed.message}" and "${read.message}"`;
  });
  await tour.step("Refused: a revoked credential", async () => {
    using connection = await openConnection(
      { server, credential: "alice", audience: "latchkey", tokenLifetimeSeconds: 3_600 },
      workspace.context,
    );
    const { jobs, orgId } = connection;
    const before = await jobs.listJobs({ orgId });
    check(before.jobs.length > 0, "the credential works");
    await workspace.succeed(["credentials", "revoke", "alice", "--as", "admin"]);
    const after = await refusal(jobs.listJobs({ orgId }));
    check(after.code === Code.Unauthenticated, "its next call is refused");
    return `the call before: ${before.jobs.length} jobs; the call after: "${after.message}"`;
  });
}

async function refusal(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  check(false, "the call is refused");
}
