import {
  Code,
  type ConnectRouter,
  createClient,
  createRouterTransport,
  createServiceImplSpec,
  type Interceptor,
} from "@connectrpc/connect";
import { createUniversalServiceHandlers } from "@connectrpc/connect/protocol";
import { createHandlerFactory } from "@connectrpc/connect/protocol-connect";
import { beforeAll, describe, expect, it } from "vitest";
import { EchoService, UncoveredService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { getPrincipal, type ServerAuth } from "../../src/server.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { callEcho, KINDS } from "../support/echo-calls.js";
import { createEchoService } from "../support/echo-service.js";
import { createAuthFor } from "../support/server-auth.js";

let issuer: TestIssuer;
let auth: ServerAuth;

beforeAll(async () => {
  issuer = await createTestIssuer();
  auth = createAuthFor(issuer);
});

describe("guardRoutes()", () => {
  it.each(KINDS)("F8: is enough for a router transport: %s", async (kind) => {
    const echo = createEchoService();
    const client = createClient(EchoService, createRouterTransport(auth.routes(echo.routes)));
    await expect(callEcho(client, kind, undefined)).rejects.toMatchObject({ code: Code.Unauthenticated });
    expect(echo.calls()).toBe(0);
    expect(await callEcho(client, kind, await issuer.mint())).toBe("alice");
  });

  it("keeps the options of a service: its gate and its interceptors run after ours and know the caller", async () => {
    const order: string[] = [];
    const interceptor: Interceptor = (next) => (request) => {
      order.push(`interceptor ${getPrincipal(request)?.subject}`);
      return next(request);
    };
    const routes = (router: ConnectRouter): void => {
      router.service(
        EchoService,
        { unary: () => ({}) },
        {
          interceptors: [interceptor],
          requestGate: (context) => void order.push(`gate ${getPrincipal(context)?.subject}`),
        },
      );
    };
    const client = createClient(EchoService, createRouterTransport(auth.routes(routes)));
    await expect(client.unary({ orgId: "acme" })).rejects.toMatchObject({ code: Code.Unauthenticated });
    expect(order).toEqual([]);
    await client.unary({ orgId: "acme" }, { headers: { authorization: `Bearer ${await issuer.mint()}` } });
    expect(order).toEqual(["gate alice", "interceptor alice"]);
  });

  it("F3: shows no interceptor of the service a message that is not the caller's to send", async () => {
    const seen: string[] = [];
    const interceptor: Interceptor = (next) => (request) => {
      seen.push(request.method.name);
      return next(request);
    };
    const routes = (router: ConnectRouter): void => {
      router.service(EchoService, { unary: () => ({}) }, { interceptors: [interceptor] });
    };
    const client = createClient(EchoService, createRouterTransport(auth.routes(routes)));
    const token = await issuer.mint();
    await expect(callEcho(client, "unary", token, "other")).rejects.toMatchObject({ code: Code.PermissionDenied });
    expect(seen).toEqual([]);
    await callEcho(client, "unary", token);
    expect(seen).toEqual(["Unary"]);
  });

  it("guards a service whose options hold an undefined gate, and single methods", async () => {
    const routes = (router: ConnectRouter): void => {
      const withoutGate = { requestGate: undefined } as unknown as { interceptors: [] };
      router.service(EchoService, { unary: () => ({}) }, withoutGate).rpc(EchoService.method.get, () => ({}));
    };
    const client = createClient(EchoService, createRouterTransport(auth.routes(routes)));
    await expect(client.unary({ orgId: "acme" })).rejects.toMatchObject({ code: Code.Unauthenticated });
    await expect(client.get({ orgId: "acme" })).rejects.toMatchObject({ code: Code.Unauthenticated });
  });

  it("does no harm when a service names the gate and the interceptor again", async () => {
    const routes = (router: ConnectRouter): void => {
      router.service(EchoService, { unary: () => ({}) }, { interceptors: [auth.interceptor], requestGate: auth.gate });
    };
    const client = createClient(EchoService, createRouterTransport(auth.routes(routes)));
    await client.unary({ orgId: "acme" }, { headers: { authorization: `Bearer ${await issuer.mint()}` } });
  });

  it("F4: refuses to register a service with a method that has no policy, and names it", () => {
    const routes = (router: ConnectRouter): void => {
      router.service(EchoService, {}).service(UncoveredService, {});
    };
    expect(() => createRouterTransport(auth.routes(routes))).toThrow("latchkey.testing.v1.UncoveredService/Forgotten");
    const single = (router: ConnectRouter): void => void router.rpc(UncoveredService.method.forgotten, () => ({}));
    expect(() => createRouterTransport(auth.routes(single))).toThrow(TypeError);
  });

  it("F8: refuses handlers that are added to the router by hand, past authentication", () => {
    const routes = (router: ConnectRouter): void => {
      const handlers = createUniversalServiceHandlers(createServiceImplSpec(UncoveredService, {}), [
        createHandlerFactory({}),
      ]);
      router.handlers.push(...handlers);
    };
    expect(() => createRouterTransport(auth.routes(routes))).toThrow(
      "without authentication: latchkey.testing.v1.UncoveredService/Forgotten",
    );
  });

  it("leaves alone what was registered before", () => {
    const routes = (router: ConnectRouter): void => {
      router.service(UncoveredService, {});
      auth.routes(createEchoService().routes)(router);
    };
    expect(() => createRouterTransport(routes)).not.toThrow();
  });
});
