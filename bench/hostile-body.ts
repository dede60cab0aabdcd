// A body of 146 KB that inflates to 150 MB, sent without a token: what refusing it costs the server.
import { createServer as createHttp1Server, request } from "node:http";
import { connect, createServer as createHttp2Server } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { gzipSync } from "node:zlib";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createServerAuth } from "latchkey/server";
import { createTestIssuer } from "latchkey/testing";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import type { Figure } from "./figure.ts";

const PATH = "/latchkey.testing.v1.EchoService/Unary";
const HEADERS = { "content-type": "application/json", "content-encoding": "gzip" };

/** Milliseconds until the refusal, and megabytes of memory the process grew by, for each version of HTTP. */
export async function measureHostileBody(): Promise<Figure[]> {
  const body = gzipSync(Buffer.alloc(150 * 1024 * 1024, " "));
  const issuer = await createTestIssuer();
  await using auth = createServerAuth({
    issuers: [{ issuer: issuer.issuer, audience: issuer.audience, algorithms: ["ES256"], keys: issuer.jwks() }],
  });
  const handler = connectNodeAdapter(
    auth.protect({ routes: (router) => router.service(EchoService, {}), jsonOptions: { ignoreUnknownFields: true } }),
  );
  const figures: Figure[] = [];
  for (const [version, server, send] of [
    ["HTTP/1.1", createHttp1Server(handler), sendHttp1],
    ["HTTP/2", createHttp2Server(handler), sendHttp2],
  ] as const) {
    const port = await listen(server);
    await send(port, body.subarray(0, 0));
    const memoryBefore = process.memoryUsage.rss();
    const startedMs = performance.now();
    const status = await send(port, body);
    const elapsedMs = performance.now() - startedMs;
    const grownMb = (process.memoryUsage.rss() - memoryBefore) / 1024 / 1024;
    await new Promise((resolve) => server.close(resolve));
    if (status !== 401) throw new Error(`answered ${status} instead of 401`);
    figures.push(
      { name: `gzip bomb without a token, ${version}, refused after`, value: elapsedMs, unit: "ms", max: 100 },
      { name: `gzip bomb without a token, ${version}, memory`, value: grownMb, unit: "MB", max: 30 },
    );
  }
  return figures;
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function sendHttp1(port: number, body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request({ port, host: "127.0.0.1", path: PATH, method: "POST", headers: HEADERS }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode ?? 0));
    });
    call.on("error", reject);
    call.end(body);
  });
}

function sendHttp2(port: number, body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`);
    const stream = session.request({ ":method": "POST", ":path": PATH, ...HEADERS });
    stream.on("error", reject).on("response", (headers) => {
      resolve(headers[":status"] ?? 0);
      session.destroy();
    });
    stream.end(body);
  });
}
