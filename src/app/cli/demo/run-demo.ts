import { join } from "node:path";
import { loadIssuerSettings } from "../../server/issuer-settings.js";
import { openOwnIssuer } from "../../server/own-issuer.js";
import type { CliContext } from "../cli-context.js";
import { createShutdown } from "../shutdown.js";
import { showJobs } from "./show-jobs.js";
import { showRefusals } from "./show-refusals.js";
import { showRotation } from "./show-rotation.js";
import { check, createTour, DemoFailedError, type Tour } from "./tour.js";
import { createWorkspace, type Workspace } from "./workspace.js";

/** Exit code after SIGINT, as shells have it. */
const INTERRUPTED = 130;

/** Short times, so that a rotation of keys can be watched from its beginning to its end. */
const SERVER_FLAGS = [
  ...["--port", "0", "--init-org", "acme"],
  ...["--jwks-max-age-seconds", "1", "--jwks-min-ttl-seconds", "1", "--key-grace-seconds", "2"],
  ...["--token-lifetime-seconds", "60"],
];

/**
 * Takes the tour: a real server, worker and commands as processes of their own, in a temporary directory that is removed
 * at the end, however it ends.
 *
 * @returns The exit code: 0 when every step showed what it was to show.
 */
export async function runDemo(context: CliContext): Promise<number> {
  using shutdown = createShutdown(context.io);
  const signal = shutdown.orderly;
  const tour = createTour(context, signal);
  try {
    await using workspace = await createWorkspace(context, signal);
    await takeTour(tour, workspace, context, signal);
  } catch (error) {
    if (signal.aborted) return INTERRUPTED;
    if (!(error instanceof DemoFailedError)) throw error;
    context.note(`demo: ${error.message}`);
    return 1;
  }
  context.print(`\ndemo: ${tour.passed} steps passed`);
  return 0;
}

async function takeTour(tour: Tour, workspace: Workspace, context: CliContext, signal: AbortSignal): Promise<void> {
  const serverProcess = workspace.start(["server", "--data-dir", workspace.dataDir, ...SERVER_FLAGS]);
  let server = "";
  await tour.step("A server with an embedded database, and the organisation acme", async () => {
    server = (await serverProcess.line(/^serving at /)).slice("serving at ".length);
    workspace.useServer(server);
    const ready = await fetch(`${server}/readyz`);
    await ready.arrayBuffer();
    check(ready.ok, "the server is ready");
    return `${server}, data in ${workspace.dataDir}`;
  });
  await tour.step("Credentials for a submitter and a worker, imported by the admin", async () => {
    for (const [name, role] of [
      ["alice", "submitter"],
      ["worker-1", "worker"],
    ] as const) {
      await workspace.succeed(["init", "--name", name, "--org", "acme", "--roles", role]);
      await workspace.succeed(["credentials", "import", name, "--as", "admin"]);
    }
    const table = await workspace.succeed(["credentials", "list"]);
    for (const line of table.split("\n")) context.print(`   ${line}`);
    return "private keys stay here, the server has the public ones";
  });
  const worker = workspace.start(["worker", "--credential", "worker-1"]);
  await tour.step("A worker", async () => (await worker.line(/taking jobs/)).trim());
  const jobId = await showJobs(tour, workspace, context);
  const keysDir = join(workspace.dataDir, "keys");
  using issuer = openOwnIssuer(keysDir, await loadIssuerSettings(keysDir));
  await showRefusals(tour, { workspace, server, tokens: issuer.tokens, jobId });
  await showRotation(tour, workspace, { server, issuer, signal });
  await tour.step("Worker and server, stopped in order", async () => {
    check((await worker.stop()) === 0, "the worker exits with 0");
    check((await serverProcess.stop()) === 0, "the server exits with 0");
    return "both exited with 0";
  });
}
