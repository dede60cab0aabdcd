import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createSecureServer, type Http2SecureServer, type Http2Session } from "node:http2";
import { type AddressInfo, isIPv6, type Socket } from "node:net";
import type { connectNodeAdapter } from "@connectrpc/connect-node";
import { ConfigError } from "../../errors.js";
import type { ServerOptions } from "./server-options.js";

/** What answers requests: the shape that Connect's adapter has. */
export type RequestHandler = ReturnType<typeof connectNodeAdapter>;

/** A port that is listened on. */
export interface Listener {
  /** Where it is reached, such as `http://127.0.0.1:8090`. */
  readonly url: string;
  /** Answers requests with `handler` from now on. */
  use(handler: RequestHandler): void;
  /** Takes no further connections, waits for requests under way as long as the grace allows, and cuts the rest. */
  close(graceMs: number): Promise<void>;
}

/** Where to listen. */
export type ListenOptions = Required<Pick<ServerOptions, "host" | "port">> & { readonly tls: ServerOptions["tls"] };

/**
 * Starts to listen: HTTP/2 and HTTP/1.1 over TLS, or plaintext HTTP/1.1. Requests are answered with 503 until
 * {@link Listener.use} is called.
 *
 * Rejects with {@link ConfigError} `ERR_CONFIG_INVALID`: the port is taken or not permitted, the address is not of this
 * machine, or certificate and key are not usable.
 */
export async function listen({ host, port, tls }: ListenOptions): Promise<Listener> {
  let handler: RequestHandler = (_request, response) => {
    response.statusCode = 503;
    response.end();
  };
  const server = createServer(tls, (request, response) => handler(request, response));
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const sessions = new Set<Http2Session>();
  server.on("session", (session: Http2Session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(toListenError(error, host, port)));
    server.listen({ host, port, exclusive: true }, resolve);
  });
  const address = server.address() as AddressInfo;
  const hostname = isIPv6(host) ? `[${host}]` : host;
  return {
    url: `${tls === undefined ? "http" : "https"}://${hostname}:${address.port}`,
    use(next) {
      handler = next;
    },
    async close(graceMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.close();
      // A connection that has just answered its last request counts as idle only a moment later.
      const sweep = setInterval(() => "closeIdleConnections" in server && server.closeIdleConnections(), 50);
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, graceMs);
      await closed;
      clearInterval(sweep);
      clearTimeout(cut);
    },
  };
}

function createServer(tls: ListenOptions["tls"], handler: RequestHandler): HttpServer | Http2SecureServer {
  try {
    if (tls !== undefined) return createSecureServer({ ...tls, allowHTTP1: true }, handler);
  } catch (cause) {
    // OpenSSL's message may quote what it has read.
    throw new ConfigError("ERR_CONFIG_INVALID", "the TLS certificate and private key cannot be used", { cause });
  }
  // Node gives a request 5 minutes to arrive in full; a stream of events lasts as long as its job. Headers keep their
  // own limit, and a body is read only for callers who were let in.
  return createHttpServer({ requestTimeout: 0 }, handler);
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ["EADDRINUSE", "the port is in use by another process: choose another one with --port"],
  ["EACCES", "this user may not use the port: choose one above 1023 with --port"],
  ["EADDRNOTAVAIL", "the address is not one of this machine"],
  ["ENOTFOUND", "the host name is not known"],
]);

function toListenError(error: NodeJS.ErrnoException, host: string, port: number): ConfigError {
  const reason = REASONS.get(error.code ?? "") ?? error.code ?? "unknown error";
  return new ConfigError("ERR_CONFIG_INVALID", `cannot listen on ${host} port ${port}: ${reason}`, { cause: error });
}
