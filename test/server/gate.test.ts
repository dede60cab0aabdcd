import { inspect } from "node:util";
import { Code, ConnectError, createClient, createHandlerContext, type HandlerContext } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EchoService, UncoveredService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { celConditions } from "../../src/cel.js";
import { createServerAuth, getPrincipal, type ServerAuth, type ServerAuthEvent } from "../../src/server.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { costOfRuns } from "../support/cost-of-runs.js";
import { createEchoService } from "../support/echo-service.js";
import { startRpcServer } from "../support/rpc-server.js";
import { createAuthFor } from "../support/server-auth.js";

let issuer: TestIssuer;
let auth: ServerAuth;
/** Trusts an issuer whose keys never come. */
let waiting: ServerAuth;

beforeAll(async () => {
  issuer = await createTestIssuer();
  auth = createAuthFor(issuer);
  waiting = createServerAuth({
    issuers: [
      {
        issuer: issuer.issuer,
        audience: issuer.audience,
        algorithms: ["ES256"],
        findKey: () => new Promise(() => {}),
      },
    ],
  });
});

afterAll(async () => {
  await auth[Symbol.asyncDispose]();
  await waiting[Symbol.asyncDispose]();
});

function createContext(token: string | undefined, init: Partial<Parameters<typeof createHandlerContext>[0]> = {}) {
  return createHandlerContext({
    service: EchoService,
    method: EchoService.method.unary,
    protocolName: "connect",
    requestMethod: "POST",
    url: "https://service.test/",
    ...(token !== undefined && { requestHeader: { authorization: `Bearer ${token}` } }),
    ...init,
  });
}

describe("createGate()", () => {
  it("puts the caller into the context values", async () => {
    const context: HandlerContext = createContext(await issuer.mint());
    await auth.gate(context);
    expect(getPrincipal(context)).toMatchObject({ subject: "alice", org: "acme" });
  });

  it("leaves no caller behind when it refuses", async () => {
    const context = createContext(await issuer.mint({ claims: { roles: [] } }));
    await expect(async () => auth.gate(context)).rejects.toMatchObject({ code: Code.PermissionDenied });
    expect(getPrincipal(context)).toBeUndefined();
  });

  it("does not look at the header of a public method", async () => {
    const context = createContext("not a token", { method: EchoService.method.public });
    await auth.gate(context);
    expect(getPrincipal(context)).toBeUndefined();
  });

  it("decides a condition about the caller alone, of which no message tells more", async () => {
    const strict = createAuthFor(issuer, {
      policy: { "latchkey.testing.v1.EchoService/Unary": { condition: "principal.claims.level >= 2" } },
      conditions: celConditions(),
    });
    const context = createContext(await issuer.mint({ claims: { level: 1 } }));
    await expect(async () => strict.gate(context)).rejects.toMatchObject({ code: Code.PermissionDenied });
    expect(getPrincipal(context)).toBeUndefined();
    const admitted = createContext(await issuer.mint({ claims: { level: 2 } }));
    await strict.gate(admitted);
    expect(getPrincipal(admitted)).toMatchObject({ subject: "alice" });
  });

  it.each([9_000, 60_000])("G5: refuses a token of %d bytes in less than 1 ms, and shows nothing of it", (bytes) => {
    const events: ServerAuthEvent[] = [];
    const telling = createAuthFor(issuer, { onEvent: (event) => events.push(event) });
    const context = createContext("overlong".repeat(bytes / 8));
    const refuse = (): unknown => {
      try {
        return telling.gate(context);
      } catch (error) {
        return error;
      }
    };
    expect(costOfRuns(2_000, refuse).medianMs).toBeLessThan(1);
    const refusal = refuse();
    expect(refusal).toBeInstanceOf(ConnectError);
    expect(refusal).toMatchObject({ code: Code.Unauthenticated });
    expect(events[0]).toMatchObject({ type: "rejected", code: "ERR_TOKEN_MALFORMED" });
    expect(inspect([events, refusal], { depth: null, showHidden: true })).not.toContain("overlong");
  });

  it("F4: refuses a method without a policy as a mistake of the server", async () => {
    const context = createContext(await issuer.mint(), {
      service: UncoveredService,
      method: UncoveredService.method.forgotten,
    });
    await expect(async () => auth.gate(context)).rejects.toMatchObject({
      code: Code.Internal,
      rawMessage: "internal error",
    });
  });

  it("stops waiting for a key when the deadline has passed", async () => {
    const context = createContext(await issuer.mint(), { timeoutMs: 1 });
    await expect(async () => waiting.gate(context)).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  });

  it("stops waiting for a key when the peer has left", async () => {
    const peer = new AbortController();
    const context = createContext(await issuer.mint(), { requestSignal: peer.signal });
    const refused = expect(async () => waiting.gate(context)).rejects.toMatchObject({ code: Code.Canceled });
    peer.abort();
    await refused;
  });

  it("answers deadline_exceeded to a caller that enforces no deadline of its own, without calling the handler", async () => {
    const echo = createEchoService();
    await using server = await startRpcServer("1.1", waiting.protect({ routes: echo.routes }));
    const response = await fetch(`${server.url}/latchkey.testing.v1.EchoService/Unary`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "connect-timeout-ms": "20",
        authorization: `Bearer ${await issuer.mint()}`,
      },
      body: "{}",
    });
    expect(await response.json()).toMatchObject({ code: "deadline_exceeded" });
    expect(response.headers.get("connection")).toBe("close");
    expect(echo.calls()).toBe(0);
  });

  it("closes the connection of a refused call over HTTP/1.1, and keeps that of an admitted one", async () => {
    await using server = await startRpcServer("1.1", auth.protect({ routes: createEchoService().routes }));
    const post = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${server.url}/latchkey.testing.v1.EchoService/Authenticated`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: "{}",
      });
    const refused = await post({});
    expect([refused.status, refused.headers.get("connection")]).toEqual([401, "close"]);
    const admitted = await post({ authorization: `Bearer ${await issuer.mint()}` });
    expect([admitted.status, admitted.headers.get("connection")]).toEqual([200, "keep-alive"]);
  });

  it("F8: guards HTTP GET", async () => {
    const echo = createEchoService();
    await using server = await startRpcServer("1.1", auth.protect({ routes: echo.routes }));
    const url = `${server.url}/latchkey.testing.v1.EchoService/Get?connect=v1&encoding=json&message=%7B%22orgId%22%3A%22acme%22%7D`;
    const refused = await fetch(url);
    expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="latchkey"']);
    expect(echo.calls()).toBe(0);
    const admitted = await fetch(url, { headers: { authorization: `Bearer ${await issuer.mint()}` } });
    expect([admitted.status, await admitted.json()]).toEqual([200, { subject: "alice" }]);
  });

  it("F8: guards calls by a client that uses GET", async () => {
    await using server = await startRpcServer("2", auth.protect({ routes: createEchoService().routes }));
    const client = createClient(EchoService, server.transport("connect"));
    await expect(client.get({ orgId: "acme" })).rejects.toMatchObject({ code: Code.Unauthenticated });
  });
});
