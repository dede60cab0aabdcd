import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** A server on a free loopback port whose listener may be set when the port is known. */
export interface OriginServer extends AsyncDisposable {
  readonly origin: string;
  listen(listener: RequestListener): void;
}

/** Starts a server that has no listener yet. */
export async function startOriginServer(): Promise<OriginServer> {
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    listen: (listener) => void server.on("request", listener),
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * Starts a server of the page, bundled as applications are.
 *
 * @param connectTo - The origin that the page may call; its policy allows nothing else, `eval` neither.
 */
export async function startPageServer(connectTo: string): Promise<OriginServer> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("page.ts", import.meta.url))],
    bundle: true,
    minify: true,
    platform: "browser",
    target: "es2023",
    write: false,
    logLevel: "error",
  });
  const script = outputFiles[0]?.text ?? "";
  const server = await startOriginServer();
  server.listen((request, response) => {
    if (request.url === "/page.js") return void response.setHeader("content-type", "text/javascript").end(script);
    response.setHeader("content-type", "text/html");
    const policy = `default-src 'none'; script-src 'self'; connect-src ${connectTo}`;
    response.setHeader("content-security-policy", policy);
    response.end('<!doctype html><meta charset="utf-8"><script src="/page.js"></script>');
  });
  return server;
}
