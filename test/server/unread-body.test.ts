import { createClient, createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import type { ServerAuth } from "../../src/server.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing.js";
import { createEchoService } from "../support/echo-service.js";
import { floodHttp1, postHttp2 } from "../support/raw-http.js";
import { type RpcServer, startRpcServer } from "../support/rpc-server.js";
import { createAuthFor } from "../support/server-auth.js";

const SERVICE = "/latchkey.testing.v1.EchoService";
const FLOOD_BYTES = 32 * 1024 * 1024;

let issuer: TestIssuer;
let auth: ServerAuth;
let server: RpcServer;
const { routes } = createEchoService();

beforeAll(async () => {
  issuer = await createTestIssuer();
  auth = createAuthFor(issuer);
  server = await startRpcServer("1.1", auth.protect({ routes }));
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await auth[Symbol.asyncDispose]();
});

describe("closeOnUnreadBody()", () => {
  it.each([
    ["another content type", "Unary", "application/x-other", "POST", 415],
    ["the content type of streams", "Unary", "application/connect+proto", "POST", 415],
    ["another method", "Unary", "application/proto", "PUT", 405],
    ["a stream in both directions", "BidiStream", "application/connect+proto", "POST", 505],
  ])(
    "G9: takes less than 1 MB of a body with %s, which no gate is asked about",
    async (_, rpc, type, method, status) => {
      const before = server.bytesTaken();
      const answer = await floodHttp1(server.port, `${SERVICE}/${rpc}`, FLOOD_BYTES, type, method);
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*\\r\\nconnection: close\\r\\n`, "i"));
      expect(server.bytesTaken() - before).toBeLessThan(1024 * 1024);
    },
  );

  it("keeps the connection of an answered call", async () => {
    const response = await fetch(`${server.url}${SERVICE}/Public`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    expect([response.status, response.headers.get("connection")]).toEqual([200, "keep-alive"]);
  });

  it("has nothing to do over HTTP/2 and in memory", async () => {
    await using http2 = await startRpcServer("2", auth.protect({ routes }));
    const type = { "content-type": "application/x-other" };
    expect(await postHttp2(`${http2.url}${SERVICE}/Unary`, FLOOD_BYTES, Buffer.alloc(64 * 1024), type)).toBe(415);
    expect(http2.bytesTaken()).toBeLessThan(1024 * 1024);
    const client = createClient(EchoService, createRouterTransport(auth.routes(routes)));
    const headers = { authorization: `Bearer ${await issuer.mint()}` };
    expect((await client.unary({ orgId: "acme" }, { headers })).subject).toBe("alice");
  });
});
