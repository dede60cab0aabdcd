import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { beforeAll, describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { celConditions } from "../src/cel.js";
import type { AccessPolicy, ServerAuthEvent } from "../src/server.js";
import { createManualClock, type ManualClock } from "../src/testing/manual-clock.js";
import { createTestIssuer, type MintOptions, type TestIssuer } from "../src/testing/test-issuer.js";
import { callEcho, items, KINDS } from "./support/echo-calls.js";
import { createEchoService } from "./support/echo-service.js";
import { PROTOCOLS, type Protocol, startRpcServer } from "./support/rpc-server.js";
import { createAuthFor } from "./support/server-auth.js";

const ECHO = "latchkey.testing.v1.EchoService";
const METHODS = ["Unary", "ServerStream", "ClientStream", "BidiStream"];

let clock: ManualClock;
let issuer: TestIssuer;

beforeAll(async () => {
  clock = createManualClock();
  issuer = await createTestIssuer({ clock });
});

/** Serves the methods of every kind under a rule. */
async function serve(rule: AccessPolicy, protocol: Protocol) {
  const policy = Object.fromEntries(METHODS.map((name) => [`${ECHO}/${name}`, rule]));
  const events: ServerAuthEvent[] = [];
  const echo = createEchoService();
  const auth = createAuthFor(issuer, {
    clock,
    policy,
    conditions: celConditions(),
    onEvent: (event) => events.push(event),
  });
  const server = await startRpcServer("2", auth.protect({ routes: echo.routes }));
  return {
    echo,
    events,
    client: createClient(EchoService, server.transport(protocol)),
    mint: (claims: NonNullable<MintOptions["claims"]>) => issuer.mint({ claims }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function refusalOf(call: Promise<unknown>): Promise<ConnectError> {
  return call.then(
    () => {
      throw new Error("the call was answered");
    },
    (error: ConnectError) => error,
  );
}

describe.each(PROTOCOLS)("conditions over %s", (protocol) => {
  it.each(KINDS)("are decided before a %s handler when they are about the caller", async (kind) => {
    await using server = await serve({ condition: "principal.claims.level >= 2" }, protocol);
    const { client, echo, events, mint } = server;
    expect(await callEcho(client, kind, await mint({ level: 2 }))).toBe("alice");
    echo.reset();
    for (const level of [1, "2", null, undefined, [2], { level: 2 }]) {
      const refusal = await refusalOf(callEcho(client, kind, await mint({ level })));
      expect(refusal.code).toBe(Code.PermissionDenied);
      expect(refusal.findDetails(ErrorInfoSchema)[0]?.reason).toBe("ACCESS_DENIED");
    }
    expect([echo.calls(), echo.delivered()]).toEqual([0, 0]);
    expect(new Set(events.map((event) => event.type === "rejected" && event.code))).toEqual(
      new Set(["ERR_CONDITION_NOT_MET"]),
    );
  });

  it.each(KINDS)("are held against each message of a %s call when they are about the request", async (kind) => {
    await using server = await serve({ condition: "request.org_id == principal.claims.desk" }, protocol);
    const { client, echo, mint } = server;
    const token = await mint({ desk: "berlin" });
    expect(await callEcho(client, kind, token, "berlin")).toBe("alice");
    echo.reset();
    for (const [desk, orgId] of [
      ["berlin", "paris"],
      ["", "paris"],
      [undefined, ""],
    ] as const) {
      const refusal = await refusalOf(callEcho(client, kind, await mint({ desk }), orgId));
      expect(refusal.code).toBe(Code.PermissionDenied);
    }
    expect(echo.delivered()).toBe(0);
  });

  it("F3: end a stream at the first message that does not meet them", async () => {
    await using server = await serve({ condition: "request.text.size() < 4" }, protocol);
    const { client, echo, mint } = server;
    const headers = { authorization: `Bearer ${await mint({})}` };
    const messages = items({ text: "one" }, { text: "three" }, { text: "two" });
    expect((await refusalOf(client.clientStream(messages, { headers }))).code).toBe(Code.PermissionDenied);
    expect(echo.delivered()).toBe(1);
  });

  it("let no stream begin that the caller alone decides against, with messages or without", async () => {
    const condition = "'admin' in principal.roles && request.text != ''";
    await using server = await serve({ condition }, protocol);
    const { client, echo, mint } = server;
    const headers = { authorization: `Bearer ${await mint({})}` };
    expect((await refusalOf(client.clientStream(items(), { headers }))).code).toBe(Code.PermissionDenied);
    expect(echo.calls()).toBe(0);
  });
});

describe.each(PROTOCOLS)("step-up over %s", (protocol) => {
  it.each(KINDS)("is demanded before a %s handler, with all that the method asks for", async (kind) => {
    const rule = { anyRole: ["tester"], acrValues: ["urn:mfa", "urn:phr"], maxAgeSeconds: 300 };
    await using server = await serve(rule, protocol);
    const { client, echo, mint } = server;
    const nowSeconds = Math.floor(clock.nowMs() / 1_000);
    const strong = { acr: "urn:phr", auth_time: nowSeconds - 60 };
    expect(await callEcho(client, kind, await mint(strong))).toBe("alice");
    echo.reset();
    for (const claims of [{}, { ...strong, acr: "urn:pwd" }, { ...strong, auth_time: nowSeconds - 400 }]) {
      const refusal = await refusalOf(callEcho(client, kind, await mint(claims)));
      expect(refusal.code).toBe(Code.Unauthenticated);
      expect(refusal.findDetails(ErrorInfoSchema)[0]?.reason).toBe("STEP_UP_REQUIRED");
      expect(refusal.metadata.get("www-authenticate")).toBe(
        'Bearer realm="latchkey", error="insufficient_user_authentication", acr_values="urn:mfa urn:phr", max_age="300"',
      );
    }
    const stranger = await refusalOf(callEcho(client, kind, await mint({ roles: ["guest"] })));
    expect(stranger.code).toBe(Code.PermissionDenied);
    expect(echo.calls()).toBe(0);
  });
});
