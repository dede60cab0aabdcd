import { createServer } from "node:http";
import { createClient, createRouterTransport, type HandlerContext, type Transport } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { createServerAuth, IDENTITY_HEADERS, type ServerAuth } from "../../src/server.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing.js";
import { createEchoService } from "../support/echo-service.js";
import { startExpress, startFastify } from "../support/framework-servers.js";
import { exchangeRaw, formatHttp1Request } from "../support/raw-http.js";
import { listenForRpc, type RpcServer, startRpcServer } from "../support/rpc-server.js";

const SERVICE = "/latchkey.testing.v1.EchoService";

let issuer: TestIssuer;
/** `Bearer` and a good token. */
let authorization: string;
let auth: ServerAuth;
/** The names of the headers of each call that has got through to a handler. */
let seen: string[][] = [];

const note = (_: unknown, { requestHeader }: HandlerContext): object => {
  seen.push([...requestHeader.keys()]);
  return {};
};
const { routes } = createEchoService({
  public: note,
  authenticated: note,
  unary: note,
  async *serverStream(_, context) {
    yield note(_, context);
  },
});

beforeAll(async () => {
  issuer = await createTestIssuer();
  authorization = `Bearer ${await issuer.mint()}`;
  auth = createServerAuth({ issuers: [issuer.trusted()] });
});

beforeEach(() => {
  seen = [];
});

/** Calls a public, a unary and a streaming method with every header of a list, and one more. */
async function callWith(transport: Transport, names: readonly string[]): Promise<void> {
  const client = createClient(EchoService, transport);
  const headers = new Headers([["x-kept", "1"], ...names.map((name): [string, string] => [name, "root"])]);
  await client.public({}, { headers });
  headers.set("authorization", authorization);
  await client.unary({ orgId: "acme" }, { headers });
  for await (const _ of client.serverStream({ orgId: "acme", count: 1 }, { headers }));
}

/** Which names of a list each handler has seen. */
function seenOf(names: readonly string[]): string[][] {
  return seen.map((all) => names.filter((name) => all.includes(name)));
}

describe("identityHeaders", () => {
  it.each<[string, (by: ServerAuth) => Promise<RpcServer>]>([
    ["protect() over HTTP/1.1", (by) => startRpcServer("1.1", by.protect({ routes }))],
    ["protect() over HTTP/2", (by) => startRpcServer("2", by.protect({ routes }))],
    ["protect() with Fastify", (by) => startFastify("1.1", by, routes)],
    ["protect() with Express", (by) => startExpress(by, routes)],
    ["routes()", (by) => startRpcServer("2", { routes: by.routes(routes) })],
    ["the interceptor alone", (by) => startRpcServer("2", { routes, interceptors: [by.interceptor] })],
    ["the gate alone", (by) => startRpcServer("1.1", { routes, requestGate: by.gate })],
  ])("F7: are gone before a handler behind %s", async (_, start) => {
    await using server = await start(auth);
    await callWith(server.transport("connect"), IDENTITY_HEADERS);
    expect(seenOf(["x-kept", ...IDENTITY_HEADERS])).toEqual([["x-kept"], ["x-kept"], ["x-kept"]]);
  });

  it("F7: are gone in memory too", async () => {
    await callWith(createRouterTransport(auth.routes(routes)), IDENTITY_HEADERS);
    expect(seenOf(["x-kept", ...IDENTITY_HEADERS])).toEqual([["x-kept"], ["x-kept"], ["x-kept"]]);
  });

  it("F7: are gone however they are written, and however often", async () => {
    await using server = await startRpcServer("1.1", auth.protect({ routes }));
    const lines = ["host: a.test", "X-USER: root", "x-user: root", "X-Jwt-Payload: e30", "X-Kept: 1"];
    for (const rpc of ["Public", "Authenticated"]) {
      const request = formatHttp1Request(`${SERVICE}/${rpc}`, [...lines, `authorization: ${authorization}`]);
      expect(await exchangeRaw(server.port, request)).toMatch(/^HTTP\/1\.1 200 /);
    }
    expect(seenOf(["x-kept", "x-user", "x-jwt-payload"])).toEqual([["x-kept"], ["x-kept"]]);
  });

  it("F7: are gone from requests that a gateway has made, without the lines of any", async () => {
    const handler = connectNodeAdapter(auth.protect({ routes }));
    const gateway = createServer((request, response) => {
      // What the adapters of Node.js servers for function platforms hand on: they set `headers` alone.
      Object.assign(request, { headers: request.headers, rawHeaders: [] });
      handler(request, response);
    });
    await using server = await listenForRpc("1.1", gateway);
    await callWith(server.transport("connect"), IDENTITY_HEADERS);
    expect(seenOf(["x-kept", ...IDENTITY_HEADERS])).toEqual([["x-kept"], ["x-kept"], ["x-kept"]]);
  });

  it("F7: are gone before gates and interceptors of the application look", async () => {
    const users: unknown[] = [];
    const options = auth.protect({
      routes,
      requestGate: ({ requestHeader }) => void users.push(requestHeader.get("x-user")),
      interceptors: [
        (next) => (request) => {
          users.push(request.header.get("x-user"));
          return next(request);
        },
      ],
    });
    await using server = await startRpcServer("2", options);
    await callWith(server.transport("grpc"), ["x-user"]);
    expect(users).toEqual([null, null, null, null, null, null]);
  });

  it.each([
    ["a list of one's own", ["X-Acme-User"], ["x-user", "x-forwarded-user"]],
    ["an empty list", [], ["x-acme-user", "x-user", "x-forwarded-user"]],
  ])("are those of %s", async (_, identityHeaders, kept) => {
    const own = createServerAuth({ issuers: [issuer.trusted()], identityHeaders });
    const names = ["x-acme-user", "x-user", "x-forwarded-user"];
    await using server = await startRpcServer("2", own.protect({ routes }));
    await callWith(server.transport("connect"), names);
    await callWith(createRouterTransport(own.routes(routes)), names);
    expect(seenOf(names)).toEqual(Array.from({ length: 6 }, () => kept));
  });
});
