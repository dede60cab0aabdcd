import { ConnectError, createClient } from "@connectrpc/connect";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { explainAuthError } from "../../src/client.js";
import type { ServerAuth } from "../../src/server.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { callEcho, KINDS } from "../support/echo-calls.js";
import { createEchoService } from "../support/echo-service.js";
import { PROTOCOLS, type RpcServer, startRpcServer } from "../support/rpc-server.js";
import { createAuthFor } from "../support/server-auth.js";

const METADATA = "https://service.test/.well-known/oauth-protected-resource";
const REALM = 'Bearer realm="jobs"';
const WHERE = `resource_metadata="${METADATA}"`;
const STEP_UP = `${REALM}, error="insufficient_user_authentication", acr_values="phr mfa", max_age="60", ${WHERE}`;

const echo = createEchoService();
let issuer: TestIssuer;
let auth: ServerAuth;
let server: RpcServer;

beforeAll(async () => {
  issuer = await createTestIssuer();
});
beforeEach(async () => {
  echo.reset();
  auth = createAuthFor(issuer, {
    realm: "jobs",
    resourceMetadata: METADATA,
    policy: {
      "latchkey.testing.v1.EchoService/*": { anyRole: ["tester"], acrValues: ["phr", "mfa"], maxAgeSeconds: 60 },
    },
  });
  server = await startRpcServer("2", auth.protect({ routes: echo.routes }));
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await auth[Symbol.asyncDispose]();
});

describe.each(PROTOCOLS)("the challenge of a refused call over %s", (protocol) => {
  it.each(KINDS)("says how to authenticate, and where to begin: %s", async (kind) => {
    const nowSeconds = Math.floor(Date.now() / 1_000);
    const client = createClient(EchoService, server.transport(protocol));
    const refusalOf = async (claims: Record<string, unknown> | undefined): Promise<ConnectError> => {
      const answer = callEcho(client, kind, claims && (await issuer.mint({ claims })));
      return answer.then(
        () => {
          throw new Error("the call was answered");
        },
        (error: unknown) => ConnectError.from(error),
      );
    };
    const challengeTo = async (claims: Record<string, unknown> | undefined): Promise<unknown> =>
      (await refusalOf(claims)).metadata.get("www-authenticate");
    const fresh = { acr: "mfa", auth_time: nowSeconds };
    expect(await challengeTo({ ...fresh, acr: "pwd" })).toBe(STEP_UP);
    expect(await challengeTo({ ...fresh, auth_time: nowSeconds - 120 })).toBe(STEP_UP);
    expect(await challengeTo({ acr: "mfa" })).toBe(STEP_UP);
    expect(await challengeTo({ ...fresh, roles: ["guest"] })).toBe(`${REALM}, error="insufficient_scope", ${WHERE}`);
    expect(await challengeTo({ ...fresh, exp: 1 })).toBe(`${REALM}, error="invalid_token", ${WHERE}`);
    expect(await challengeTo(undefined)).toBe(`${REALM}, ${WHERE}`);
    expect(explainAuthError(await refusalOf({}))).toMatchObject({ reason: "STEP_UP_REQUIRED", origin: "server" });
    expect(echo.calls()).toBe(0);
    expect(await callEcho(client, kind, await issuer.mint({ claims: fresh }))).toBe("alice");
  });
});
