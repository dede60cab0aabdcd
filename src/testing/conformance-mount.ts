import type { ConnectRouter, Transport } from "@connectrpc/connect";
import type { FindCaller } from "./echo-observer.js";
import type { TrustedTestIssuer } from "./test-issuer.js";

/** The protocols that a Connect server speaks. */
export const RPC_PROTOCOLS = ["connect", "grpc", "grpc-web"] as const;

/** One of the protocols that a Connect server speaks. */
export type RpcProtocol = (typeof RPC_PROTOCOLS)[number];

/** What a server has to serve to be examined. */
export interface ConformanceSubject {
  /** Registers `latchkey.testing.v1.EchoService`; its `.proto` file says who may call its methods. */
  readonly routes: (router: ConnectRouter) => void;
  /** Whom the server has to trust, and nobody else. */
  readonly issuers: readonly TrustedTestIssuer[];
}

/** A server that runs, and how to reach it. */
export interface MountedServer extends AsyncDisposable {
  /** Gives a transport that speaks a protocol to the server. It is asked once per protocol. */
  transport(protocol: RpcProtocol): Transport;
  /** Finds the verified caller of a call, as handlers of the server do: `getPrincipal` of `latchkey/server`. */
  readonly getPrincipal: FindCaller;
}

/** Starts a server, set up as in production, with the services and issuers given. */
export type MountServer = (subject: ConformanceSubject) => MountedServer | Promise<MountedServer>;
