// A process that serves methods without a policy by Fastify. Prints, as JSON, how that ends and with which message.
import { createServerAuth } from "../../src/server.js";
import { createTestIssuer } from "../../src/testing/test-issuer.js";
import { startFastify } from "./framework-servers.js";
import { uncoveredRoutes } from "./uncovered-routes.js";

const issuer = await createTestIssuer();
const auth = createServerAuth({ issuers: [issuer.trusted()] });

function end(how: string, error?: unknown): void {
  console.log(JSON.stringify([how, error instanceof Error ? error.message : undefined]));
  process.exit();
}

process.once("uncaughtException", (error) => end("uncaught exception", error));
startFastify("1.1", auth, uncoveredRoutes).then(
  () => end("started"),
  (error) => end("rejection", error),
);
