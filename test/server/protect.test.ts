import {
  Code,
  ConnectError,
  createClient,
  createContextKey,
  createContextValues,
  type Interceptor,
} from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { beforeAll, describe, expect, it } from "vitest";
import { EchoService, UncoveredService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { getPrincipal, type ServerAuth } from "../../src/server.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { callEcho } from "../support/echo-calls.js";
import { createEchoService } from "../support/echo-service.js";
import { startRpcServer } from "../support/rpc-server.js";
import { createAuthFor } from "../support/server-auth.js";

let issuer: TestIssuer;
let auth: ServerAuth;

beforeAll(async () => {
  issuer = await createTestIssuer();
  auth = createAuthFor(issuer);
});

describe("protectAdapter()", () => {
  it("F4: an adapter with an uncovered method is not created, and the error names the method", () => {
    const options = auth.protect({ routes: (router) => void router.service(UncoveredService, {}) });
    expect(() => connectNodeAdapter(options)).toThrow("latchkey.testing.v1.UncoveredService/Forgotten has no policy");
  });

  it("gives a copy and leaves the options as they were", () => {
    const options = { routes: createEchoService().routes, requestPathPrefix: "/rpc" };
    const before = { ...options };
    const copy = auth.protect(options);
    expect(options).toEqual(before);
    expect(copy).toMatchObject({ requestPathPrefix: "/rpc", readMaxBytes: 4 * 1024 * 1024 });
    expect(auth.protect({ ...options, readMaxBytes: 7 }).readMaxBytes).toBe(7);
  });

  it("keeps interceptors, gates and context values of the adapter, also for a service with options of its own", async () => {
    const order: string[] = [];
    const tagKey = createContextKey("");
    const record =
      (name: string): Interceptor =>
      (next) =>
      (request) => {
        order.push(`${name} ${getPrincipal(request)?.subject} ${request.contextValues.get(tagKey)}`);
        return next(request);
      };
    const options = auth.protect({
      routes: (router) =>
        void router.service(EchoService, { unary: () => ({}) }, { interceptors: [record("of the service")] }),
      interceptors: [record("of the adapter")],
      requestGate: (context) => void order.push(`gate ${getPrincipal(context)?.subject}`),
      contextValues: () => createContextValues().set(tagKey, "tagged"),
    });
    await using server = await startRpcServer("2", options);
    const client = createClient(EchoService, server.transport("connect"));
    await callEcho(client, "unary", await issuer.mint());
    expect(order).toEqual(["gate alice", "of the adapter alice tagged", "of the service alice tagged"]);
  });

  it("keeps protocols switched off that the adapter switched off, also for a service with options of its own", async () => {
    const options = auth.protect({
      routes: (router) => void router.service(EchoService, { unary: () => ({}) }, { interceptors: [] }),
      grpc: false,
      grpcWeb: false,
    });
    await using server = await startRpcServer("2", options);
    const token = await issuer.mint();
    await callEcho(createClient(EchoService, server.transport("connect")), "unary", token);
    for (const protocol of ["grpc", "grpc-web"] as const) {
      const client = createClient(EchoService, server.transport(protocol));
      await expect(callEcho(client, "unary", token)).rejects.toBeInstanceOf(ConnectError);
    }
  });

  it("keeps the cap on bodies for a service whose options leave it undefined", async () => {
    const uncapped = { readMaxBytes: undefined } as unknown as { readMaxBytes: number };
    const options = auth.protect({
      routes: (router) => void router.service(EchoService, { unary: () => ({}) }, uncapped),
      readMaxBytes: 1_000,
    });
    await using server = await startRpcServer("2", options);
    const client = createClient(EchoService, server.transport("grpc"));
    const headers = { authorization: `Bearer ${await issuer.mint()}` };
    await expect(client.unary({ orgId: "acme", text: "x".repeat(2_000) }, { headers })).rejects.toMatchObject({
      code: Code.ResourceExhausted,
    });
  });

  it("F3: takes identity from the token alone, whatever headers and messages say", async () => {
    const echo = createEchoService();
    await using server = await startRpcServer("2", auth.protect({ routes: echo.routes }));
    const client = createClient(EchoService, server.transport("connect"));
    const headers = { authorization: `Bearer ${await issuer.mint()}`, "x-org-id": "other", "x-user": "root" };
    await expect(client.unary({ orgId: "other" }, { headers })).rejects.toMatchObject({ code: Code.PermissionDenied });
    expect((await client.unary({ orgId: "acme" }, { headers })).subject).toBe("alice");
  });

  it("F7: hands no identity of the caller's choice to a public method", async () => {
    const echo = createEchoService({
      public: (_, context) => ({ text: getPrincipal(context)?.subject ?? "nobody" }),
    });
    await using server = await startRpcServer("2", auth.protect({ routes: echo.routes }));
    const client = createClient(EchoService, server.transport("connect"));
    const headers = { authorization: `Bearer ${await issuer.mint()}`, "x-user": "root" };
    expect((await client.public({}, { headers })).text).toBe("nobody");
  });

  it("F5: tells a bad token from a good one that lacks a right", async () => {
    await using server = await startRpcServer("2", auth.protect({ routes: createEchoService().routes }));
    const client = createClient(EchoService, server.transport("connect"));
    const good = await issuer.mint({ claims: { roles: ["guest"] } });
    await expect(callEcho(client, "unary", good)).rejects.toMatchObject({ code: Code.PermissionDenied });
    await expect(callEcho(client, "unary", `${good}x`)).rejects.toMatchObject({ code: Code.Unauthenticated });
  });
});
