import type { AddressInfo } from "node:net";
import { createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A TCP server that accepts connections, takes what it is sent, and never answers. */
export interface SilentServer {
  readonly port: number;
  /** Resolves once something was sent to it. */
  readonly asked: Promise<void>;
}

/** Starts a {@link SilentServer} on the loopback interface; it ends with the test. */
export async function startSilentServer(): Promise<SilentServer> {
  const sockets: Socket[] = [];
  const asked = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {}).on("data", () => asked.resolve());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, asked: asked.promise };
}
