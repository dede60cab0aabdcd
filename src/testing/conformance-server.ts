import { type Client, createClient } from "@connectrpc/connect";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { typeName } from "../lib/options.js";
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

/** Starts a server; rejects as `mount` does, and with TypeError when what it returns is no {@link MountedServer}. */
export async function startConformanceServer(mount: MountServer, issuer: TestIssuer): Promise<ConformanceServer> {
  let mounted: MountedServer | undefined;
  const echo = createEchoObserver((context) => mounted?.getPrincipal(context));
  const server = await mount({ routes: echo.routes, issuers: [issuer.trusted()] });
  assertMounted(server);
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

const PARTS = ["transport", "getPrincipal", Symbol.asyncDispose] as const satisfies (keyof MountedServer)[];

function assertMounted(server: Partial<MountedServer> | null | undefined): void {
  const missing = PARTS.find((part) => typeof server?.[part] !== "function");
  if (missing === undefined) return;
  const found = typeof server === "object" && server !== null ? `no ${nameOf(missing)}` : typeName(server);
  throw new TypeError(`mount must return an object with the functions ${PARTS.map(nameOf).join(", ")}; got ${found}`);
}

function nameOf(part: keyof MountedServer): string {
  return typeof part === "string" ? part : "[Symbol.asyncDispose]";
}
