import { createRouterTransport } from "@connectrpc/connect";
import { afterAll, describe, it } from "vitest";
import { createServerAuth, getPrincipal, type ServerAuth } from "../../src/server.js";
import {
  type AuthConformanceOptions,
  authConformance,
  type ConformanceSubject,
  createManualClock,
  type MountServer,
} from "../../src/testing.js";
import { startExpress, startFastify } from "../support/framework-servers.js";
import { type RpcServer, startRpcServer } from "../support/rpc-server.js";

const clock = createManualClock();
/** gRPC and bidirectional streams need HTTP/2. */
const OVER_HTTP1: AuthConformanceOptions = {
  protocols: ["connect", "grpc-web"],
  kinds: ["unary", "server_streaming", "client_streaming"],
};

type Routes = ConformanceSubject["routes"];

function mountWith(start: (auth: ServerAuth, routes: Routes) => Promise<RpcServer>): MountServer {
  return async ({ routes, issuers }) => {
    const auth = createServerAuth({ issuers, clock });
    const server = await start(auth, routes);
    return {
      transport: server.transport,
      getPrincipal,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await auth[Symbol.asyncDispose]();
      },
    };
  };
}

const mountRouterTransport: MountServer = ({ routes, issuers }) => {
  const auth = createServerAuth({ issuers, clock });
  const transport = createRouterTransport(auth.routes(routes));
  return { transport: () => transport, getPrincipal, [Symbol.asyncDispose]: () => auth[Symbol.asyncDispose]() };
};

describe.each<readonly [string, MountServer, AuthConformanceOptions]>([
  ["connect-node over HTTP/2", mountWith((auth, routes) => startRpcServer("2", auth.protect({ routes }))), {}],
  [
    "connect-node over HTTP/1.1",
    mountWith((auth, routes) => startRpcServer("1.1", auth.protect({ routes }))),
    OVER_HTTP1,
  ],
  ["connect-fastify over HTTP/2", mountWith((auth, routes) => startFastify("2", auth, routes)), {}],
  ["connect-fastify over HTTP/1.1", mountWith((auth, routes) => startFastify("1.1", auth, routes)), OVER_HTTP1],
  ["connect-express over HTTP/1.1", mountWith(startExpress), OVER_HTTP1],
  ["createRouterTransport", mountRouterTransport, { protocols: ["connect"] }],
])("%s", (_, mount, options) => {
  const conformance = authConformance(mount, { ...options, clock });
  afterAll(() => conformance[Symbol.asyncDispose]());

  it.each(conformance.cases)("$name", ({ run }) => run());
});
