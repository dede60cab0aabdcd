// Bodies sent without a token: 146 KB that inflate to 150 MB, and 64 MB as they are. What refusing them costs the server.
import { request } from "node:http";
import { connect } from "node:http2";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { createServerAuth } from "latchkey/server";
import { createTestIssuer } from "latchkey/testing";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { startRpcServer } from "../test/support/rpc-server.ts";
import type { Figure } from "./figure.ts";

const PATH = "/latchkey.testing.v1.EchoService/Unary";
const MB = 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** A request body, and the headers that go with it. */
interface Body {
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

/** Milliseconds, memory of the process and bytes taken from the socket, for each body and each version of HTTP. */
export async function measureHostileBody(): Promise<Figure[]> {
  const bomb = {
    headers: { "content-type": "application/json", "content-encoding": "gzip" },
    bytes: gzipSync(Buffer.alloc(150 * MB, " ")),
  };
  const plain = { headers: { "content-type": "application/proto" }, bytes: Buffer.alloc(64 * MB) };
  const issuer = await createTestIssuer();
  await using auth = createServerAuth({
    issuers: [{ issuer: issuer.issuer, audience: issuer.audience, algorithms: ["ES256"], keys: issuer.jwks() }],
  });
  const options = auth.protect({
    routes: (router) => router.service(EchoService, {}),
    jsonOptions: { ignoreUnknownFields: true },
    readMaxBytes: 256 * MB,
  });
  const figures: Figure[] = [];
  for (const [httpVersion, send] of [
    ["1.1", sendHttp1],
    ["2", sendHttp2],
  ] as const) {
    await using server = await startRpcServer(httpVersion, options);
    const refuse = async (body: Body): Promise<void> => {
      const status = await send(server.port, body);
      if (status !== 401) throw new Error(`answered ${status} instead of 401`);
    };
    await refuse({ ...bomb, bytes: Buffer.alloc(0) });
    const memoryBefore = process.memoryUsage.rss();
    const startedMs = performance.now();
    await refuse(bomb);
    const elapsedMs = performance.now() - startedMs;
    const grownMb = (process.memoryUsage.rss() - memoryBefore) / MB;
    const takenBefore = server.bytesTaken();
    await refuse(plain);
    const takenMb = (server.bytesTaken() - takenBefore) / MB;
    const version = `HTTP/${httpVersion}`;
    figures.push(
      { name: `gzip bomb without a token, ${version}, refused after`, value: elapsedMs, unit: "ms", max: 100 },
      { name: `gzip bomb without a token, ${version}, memory`, value: grownMb, unit: "MB", max: 30 },
      { name: `64 MB without a token, ${version}, taken from the socket`, value: takenMb, unit: "MB", max: 1 },
    );
  }
  return figures;
}

/** Sends, goes on sending for as long as the server lets it, and gives the status of the answer once that is over. */
function sendHttp1(port: number, { headers, bytes }: Body): Promise<number> {
  return new Promise((resolve, reject) => {
    let status: number | undefined;
    const call = request({ port, host: "127.0.0.1", path: PATH, method: "POST", headers, agent: false });
    call.on("response", (response) => {
      status = response.statusCode;
      response.resume();
    });
    call.on("error", (error) => {
      // The server closes a connection on which the body is still being sent.
      if (status === undefined) reject(error);
    });
    call.on("close", () => resolve(status ?? 0));
    chunksOf(bytes).pipe(call);
  });
}

function sendHttp2(port: number, { headers, bytes }: Body): Promise<number> {
  return new Promise((resolve, reject) => {
    let status: number | undefined;
    const session = connect(`http://127.0.0.1:${port}`);
    const stream = session.request({ ":method": "POST", ":path": PATH, ...headers });
    stream.on("response", (answer) => {
      status = answer[":status"];
    });
    stream.on("error", (error) => {
      if (status === undefined) reject(error);
    });
    stream.on("close", () => {
      session.destroy();
      resolve(status ?? 0);
    });
    chunksOf(bytes).pipe(stream.resume());
  });
}

/** As a body comes that is not in memory: Node's own HTTP/2 client would give up on 64 MB at once. */
function chunksOf(bytes: Buffer): Readable {
  const starts = Array.from({ length: Math.ceil(bytes.length / CHUNK_BYTES) }, (_, index) => index * CHUNK_BYTES);
  return Readable.from(starts.map((start) => bytes.subarray(start, start + CHUNK_BYTES)));
}
