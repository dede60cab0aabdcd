import { type Client, createClient } from "@connectrpc/connect";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import type { MountedServer, MountServer, RpcProtocol } from "./conformance-mount.js";
import { createEchoObserver, type EchoObserver } from "./echo-observer.js";
import { createHostileTokenMaker, type HostileTokenMaker } from "./hostile-token-maker.js";
import type { TestIssuer } from "./test-issuer.js";

/** A server under examination, and what it is examined with. */
export interface ConformanceServer extends AsyncDisposable {
  readonly issuer: TestIssuer;
  readonly hostileTokens: HostileTokenMaker;
  readonly echo: EchoObserver;
  /** Gives the client of one protocol. */
  client(protocol: RpcProtocol): Client<typeof EchoService>;
}

/** Starts a server; rejects as `mount` does. */
export async function startConformanceServer(mount: MountServer, issuer: TestIssuer): Promise<ConformanceServer> {
  let mounted: MountedServer | undefined;
  const echo = createEchoObserver((context) => mounted?.getPrincipal(context));
  const server = await mount({ routes: echo.routes, issuers: [issuer.trusted()] });
  mounted = server;
  const clients = new Map<RpcProtocol, Client<typeof EchoService>>();
  return {
    issuer,
    hostileTokens: createHostileTokenMaker(issuer),
    echo,
    client(protocol) {
      const client = clients.get(protocol) ?? createClient(EchoService, server.transport(protocol));
      clients.set(protocol, client);
      return client;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(server[Symbol.asyncDispose]()),
  };
}
