import { createServer as createHttp1Server, type Server } from "node:http";
import { createServer as createHttp2Server, type Http2Server } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { Transport } from "@connectrpc/connect";
import {
  type ConnectNodeAdapterOptions,
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";

/** The protocols that a Connect server speaks. */
export const PROTOCOLS = ["connect", "grpc", "grpc-web"] as const;

/** One of {@link PROTOCOLS}. */
export type Protocol = (typeof PROTOCOLS)[number];

/** A server on a free port of the loopback interface. */
export interface RpcServer {
  readonly url: string;
  readonly port: number;
  /** How many bytes the server has taken from its sockets, those that are closed included. */
  bytesTaken(): number;
  transport(protocol: Protocol): Transport;
  /** Cuts every connection and closes. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a server with the adapter for Node.js, without TLS. */
export async function startRpcServer(httpVersion: "1.1" | "2", options: ConnectNodeAdapterOptions): Promise<RpcServer> {
  const handler = connectNodeAdapter(options);
  const server = httpVersion === "2" ? createHttp2Server(handler) : createHttp1Server(handler);
  return listenForRpc(httpVersion, server);
}

/** Lets a server listen that speaks Connect already, without TLS. */
export async function listenForRpc(httpVersion: "1.1" | "2", server: Server | Http2Server): Promise<RpcServer> {
  const sockets = new Set<Socket>();
  let bytesOfClosed = 0;
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      bytesOfClosed += socket.bytesRead;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    bytesTaken: () => [...sockets].reduce((sum, socket) => sum + socket.bytesRead, bytesOfClosed),
    transport(protocol) {
      if (protocol === "grpc") return createGrpcTransport({ baseUrl: url });
      const create = protocol === "connect" ? createConnectTransport : createGrpcWebTransport;
      return create({ baseUrl: url, httpVersion });
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
