import { once } from "node:events";
import { connect } from "node:net";
import type { ConnectNodeAdapterOptions } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ServerAuth } from "../../src/server.js";
import { createTestIssuer } from "../../src/testing.js";
import { createEchoService } from "../support/echo-service.js";
import { startExpress, startFastify } from "../support/framework-servers.js";
import { floodHttp1, postHttp2 } from "../support/raw-http.js";
import { type RpcServer, startRpcServer } from "../support/rpc-server.js";
import { createAuthFor } from "../support/server-auth.js";

const NOWHERE = "/latchkey.testing.v1.EchoService/Nowhere";
const FLOOD_BYTES = 32 * 1024 * 1024;
const { routes } = createEchoService();

let auth: ServerAuth;
let server: RpcServer;

beforeAll(async () => {
  auth = createAuthFor(await createTestIssuer());
  server = await startRpcServer("1.1", auth.protect({ routes }));
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await auth[Symbol.asyncDispose]();
});

describe("answerNotFound()", () => {
  it("G9: takes less than 1 MB of a body for a path that no service has", async () => {
    const before = server.bytesTaken();
    const answer = await floodHttp1(server.port, NOWHERE, FLOOD_BYTES);
    expect(answer).toMatch(/^HTTP\/1\.1 404 .*\r\nconnection: close\r\n/is);
    expect(server.bytesTaken() - before).toBeLessThan(1024 * 1024);
  });

  it("G9: takes less than 1 MB of a body whose length nobody told", async () => {
    const before = server.bytesTaken();
    const socket = connect({ port: server.port, host: "127.0.0.1" });
    // Cut in the end, with what was left unread.
    socket.on("error", () => {});
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(`POST ${NOWHERE} HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n`);
    const [first] = (await once(socket, "data")) as [Buffer];
    expect(first.toString()).toMatch(/^HTTP\/1\.1 404 .*\r\nconnection: close\r\n/is);
    const length = 16 * 1024 * 1024;
    socket.write(`${length.toString(16)}\r\n`);
    socket.write(Buffer.alloc(length));
    await closed;
    expect(server.bytesTaken() - before).toBeLessThan(1024 * 1024);
  });

  it("takes less than 1 MB over HTTP/2", async () => {
    await using http2 = await startRpcServer("2", auth.protect({ routes }));
    expect(await postHttp2(`${http2.url}${NOWHERE}`, FLOOD_BYTES, Buffer.alloc(64 * 1024))).toBe(404);
    expect(http2.bytesTaken()).toBeLessThan(1024 * 1024);
  });

  it.each([
    ["without a body", { method: "GET" }],
    ["with an empty body", { method: "POST", body: "" }],
  ])("keeps the connection of a request %s", async (_, init) => {
    const response = await fetch(`${server.url}${NOWHERE}`, init);
    expect([response.status, response.headers.get("connection"), await response.text()]).toEqual([
      404,
      "keep-alive",
      "",
    ]);
  });

  it("leaves the answer to a fallback of the application", async () => {
    const fallback: ConnectNodeAdapterOptions["fallback"] = (_, response) => {
      response.writeHead(418);
      response.end("teapot");
    };
    await using own = await startRpcServer("1.1", auth.protect({ routes, fallback }));
    const response = await fetch(`${own.url}${NOWHERE}`, { method: "POST", body: "{}" });
    expect([response.status, response.headers.get("connection"), await response.text()]).toEqual([
      418,
      "keep-alive",
      "teapot",
    ]);
  });

  it.each([
    ["Fastify", () => startFastify("1.1", auth, routes), /Route POST:.* not found/],
    ["Express", () => startExpress(auth, routes), /Cannot POST/],
  ])("leaves the answer to %s", async (_, start, text) => {
    await using own = await start();
    const response = await fetch(`${own.url}${NOWHERE}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect(response.status).toBe(404);
    expect(await response.text()).toMatch(text);
  });
});
