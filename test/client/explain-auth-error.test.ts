import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { bearerAuth } from "../../src/client/bearer-auth.js";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { type AuthFailure, explainAuthError } from "../../src/client/explain-auth-error.js";
import { toConnectError } from "../../src/connect-errors.js";
import {
  AccessDeniedError,
  ConfigError,
  CredentialError,
  KeysUnavailableError,
  StepUpRequiredError,
  TokenRejectedError,
  TokenSourceError,
} from "../../src/errors.js";
import { callEcho, KINDS } from "../support/echo-calls.js";
import { PROTOCOLS, startRpcServer } from "../support/rpc-server.js";
import { createScriptedService } from "../support/scripted-service.js";
import { createScriptedSource } from "../support/scripted-source.js";

type Expected = readonly [AuthFailure["reason"], AuthFailure["action"], number?];

const summary = (error: unknown): Expected | undefined => {
  const failure = explainAuthError(error);
  if (failure === undefined) return undefined;
  const { reason, action, retryAfterMs } = failure;
  return retryAfterMs === undefined ? [reason, action] : [reason, action, retryAfterMs];
};

const challenged = (challenge: string, code = Code.Unauthenticated): ConnectError =>
  new ConnectError("no", code, { "www-authenticate": challenge });

function withReason(error: ConnectError, reason: string, domain = "latchkey"): ConnectError {
  error.details.push({ desc: ErrorInfoSchema, value: { reason, domain } });
  return error;
}

describe("explainAuthError(): what a server of latchkey says", () => {
  const rows: readonly (readonly [Error, Expected])[] = [
    [new TokenRejectedError("ERR_CREDENTIALS_MISSING", ""), ["CREDENTIALS_MISSING", "fix_configuration"]],
    [new TokenRejectedError("ERR_CREDENTIALS_MALFORMED", ""), ["CREDENTIALS_MALFORMED", "fix_configuration"]],
    [new TokenRejectedError("ERR_TOKEN_EXPIRED", ""), ["TOKEN_EXPIRED", "retry"]],
    [new TokenRejectedError("ERR_TOKEN_REVOKED", ""), ["TOKEN_REJECTED", "new_token"]],
    [new TokenRejectedError("ERR_PROOF_INVALID", ""), ["PROOF_REJECTED", "fix_configuration"]],
    [new TokenRejectedError("ERR_PROOF_NONCE", ""), ["PROOF_NONCE_REQUIRED", "retry"]],
    [new StepUpRequiredError("", { acrValues: ["gold"], maxAgeSeconds: 60 }), ["STEP_UP_REQUIRED", "step_up"]],
    [new AccessDeniedError("ERR_SCOPE_MISSING", ""), ["ACCESS_DENIED", "ask_for_access"]],
    [new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", ""), ["TEMPORARILY_UNAVAILABLE", "wait"]],
    [
      new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "", { retryAfterMs: 4_000 }),
      ["TEMPORARILY_UNAVAILABLE", "wait", 4_000],
    ],
    [new KeysUnavailableError("ERR_TOO_MANY_PENDING", "", { retryAfterMs: 2_000 }), ["OVERLOADED", "wait", 2_000]],
  ];

  it.each(rows)("%# explains %s, in the same process", async (error, expected) => {
    const service = createScriptedService();
    service.gate = () => {
      throw toConnectError(error);
    };
    const client = createClient(EchoService, createRouterTransport(service.routes));
    for (const kind of KINDS) {
      const thrown = await callEcho(client, kind, "abc").catch((reason: unknown) => reason);
      expect(summary(thrown)).toEqual(expected);
      expect(explainAuthError(thrown)?.origin).toBe("server");
    }
  });

  it.each(PROTOCOLS)("explains all of them over %s, for every kind of call", async (protocol) => {
    const service = createScriptedService();
    await using server = await startRpcServer("2", { routes: service.routes });
    const client = createClient(EchoService, server.transport(protocol));
    for (const [error, expected] of rows) {
      service.gate = () => {
        throw toConnectError(error);
      };
      for (const kind of KINDS) {
        const thrown = await callEcho(client, kind, "abc").catch((reason: unknown) => reason);
        expect(summary(thrown)).toEqual(expected);
      }
    }
  });
});

describe("explainAuthError(): what other servers say", () => {
  it.each<[string, ConnectError, Expected]>([
    ["no error", challenged('Bearer realm="x"'), ["CREDENTIALS_MISSING", "fix_configuration"]],
    ["invalid_token", challenged('Bearer error="invalid_token"'), ["TOKEN_REJECTED", "new_token"]],
    ["invalid_request", challenged('Bearer error="invalid_request"'), ["CREDENTIALS_MALFORMED", "fix_configuration"]],
    [
      "insufficient_scope",
      challenged('Bearer error="insufficient_scope", scope="jobs.write"', Code.PermissionDenied),
      ["ACCESS_DENIED", "ask_for_access"],
    ],
    [
      "insufficient_scope with 401",
      challenged('Bearer error="insufficient_scope"'),
      ["ACCESS_DENIED", "ask_for_access"],
    ],
    [
      "insufficient_user_authentication",
      challenged('Bearer error="insufficient_user_authentication", acr_values="gold", max_age="5"'),
      ["STEP_UP_REQUIRED", "step_up"],
    ],
    ["use_dpop_nonce", challenged('DPoP error="use_dpop_nonce"'), ["PROOF_NONCE_REQUIRED", "retry"]],
    [
      "invalid_dpop_proof",
      challenged('Bearer realm="x", DPoP error="invalid_dpop_proof", algs="ES256"'),
      ["PROOF_REJECTED", "fix_configuration"],
    ],
    [
      "two challenges, the first of another scheme",
      challenged('Basic realm="x", Bearer error="invalid_token"'),
      ["TOKEN_REJECTED", "new_token"],
    ],
    ["an error nobody knows", challenged('Bearer error="odd"'), ["UNAUTHENTICATED", "new_token"]],
    ["a header that is no challenge", challenged("<<>>"), ["UNAUTHENTICATED", "new_token"]],
    ["nothing", new ConnectError("no", Code.Unauthenticated), ["UNAUTHENTICATED", "new_token"]],
    [
      "nothing but that it is not permitted",
      new ConnectError("not your job", Code.PermissionDenied),
      ["PERMISSION_DENIED", "ask_for_access"],
    ],
    [
      "not permitted, with a challenge about the token",
      challenged('Bearer error="invalid_token"', Code.PermissionDenied),
      ["PERMISSION_DENIED", "ask_for_access"],
    ],
  ])("understands %s", (_, error, expected) => {
    expect(summary(error)).toEqual(expected);
  });

  it.each([
    new ConnectError("down", Code.Unavailable, { "www-authenticate": "Bearer", "retry-after": "3" }),
    new ConnectError("too many jobs", Code.ResourceExhausted),
    new ConnectError("late", Code.DeadlineExceeded),
    new ConnectError("x", Code.Internal),
    new Error("unauthenticated"),
    "unauthenticated",
    null,
    undefined,
    { code: Code.Unauthenticated },
    new ConfigError("ERR_CONFIG_INVALID", ""),
  ])("%# has nothing to say about %s", (error) => {
    expect(explainAuthError(error)).toBeUndefined();
  });

  it("believes a reason only with the code that it belongs to", () => {
    const notFound = withReason(new ConnectError("no such job", Code.NotFound), "ACCESS_DENIED");
    expect(explainAuthError(notFound)).toBeUndefined();
    const internal = withReason(new ConnectError("bug", Code.Internal), "TOKEN_EXPIRED");
    expect(explainAuthError(internal)).toBeUndefined();
    const denied = withReason(new ConnectError("no", Code.PermissionDenied), "TOKEN_EXPIRED");
    expect(summary(denied)).toEqual(["PERMISSION_DENIED", "ask_for_access"]);
  });

  it("takes no reason for its own that others state, or that the client alone can have", () => {
    const other = withReason(challenged('Bearer error="invalid_token"'), "TOKEN_EXPIRED", "other.example");
    expect(summary(other)).toEqual(["TOKEN_REJECTED", "new_token"]);
    const posing = withReason(new ConnectError("no", Code.Unauthenticated), "KEY_UNUSABLE");
    expect(summary(posing)).toEqual(["UNAUTHENTICATED", "new_token"]);
  });

  it.each([
    ["0", 1_000],
    ["5", 5_000],
    ["999999999", 3_600_000],
    ["-1", undefined],
    ["soon", undefined],
  ])("D6: reads retry-after %s as %s ms", (value, retryAfterMs) => {
    const error = toConnectError(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", ""));
    error.metadata.set("retry-after", value);
    expect(explainAuthError(error)?.retryAfterMs).toBe(retryAfterMs);
  });
});

describe("explainAuthError(): what the user or the client has to do", () => {
  it.each(PROTOCOLS)("says over %s how the user has to sign in", async (protocol) => {
    const service = createScriptedService();
    service.gate = () => {
      throw toConnectError(new StepUpRequiredError("", { acrValues: ["urn:gold", "silver"], maxAgeSeconds: 0 }), {
        resourceMetadata: "https://jobs.example/.well-known/oauth-protected-resource",
      });
    };
    await using server = await startRpcServer("2", { routes: service.routes });
    const client = createClient(EchoService, server.transport(protocol));
    for (const kind of KINDS) {
      const failure = explainAuthError(await callEcho(client, kind, "abc").catch((reason: unknown) => reason));
      expect(failure).toEqual({
        reason: "STEP_UP_REQUIRED",
        origin: "server",
        action: "step_up",
        message: expect.any(String),
        acrValues: ["urn:gold", "silver"],
        maxAgeSeconds: 0,
        resourceMetadata: "https://jobs.example/.well-known/oauth-protected-resource",
      });
      expect(Object.isFrozen(failure?.acrValues)).toBe(true);
    }
  });

  it("says nothing of a sign-in with another reason", () => {
    const weak = 'Bearer error="insufficient_scope", acr_values="gold", max_age="5"';
    for (const error of [
      challenged(weak),
      withReason(challenged('Bearer error="insufficient_user_authentication", acr_values="gold"'), "TOKEN_EXPIRED"),
    ]) {
      expect(Object.keys(explainAuthError(error) ?? {})).toEqual(["reason", "origin", "action", "message"]);
    }
  });

  it("says where the metadata of the service is, with every refusal that does", () => {
    const url = "https://jobs.example/.well-known/oauth-protected-resource";
    for (const code of [Code.Unauthenticated, Code.PermissionDenied]) {
      const error = challenged(`DPoP algs="ES256", resource_metadata="${url}"`, code);
      expect(explainAuthError(error)?.resourceMetadata).toBe(url);
    }
    const busy = withReason(
      challenged(`Bearer resource_metadata="${url}"`, Code.Unavailable),
      "TEMPORARILY_UNAVAILABLE",
    );
    expect(explainAuthError(busy)).not.toHaveProperty("resourceMetadata");
  });
});

describe("explainAuthError(): how long to wait", () => {
  it.each([
    [2_500, 2_500],
    [1, 1_000],
    [86_400_000, 3_600_000],
  ])("D6: reads a RetryInfo of %s ms as %s ms, whatever the header says", (statedMs, retryAfterMs) => {
    const error = toConnectError(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "", { retryAfterMs: statedMs }));
    error.metadata.set("retry-after", "77");
    expect(explainAuthError(error)?.retryAfterMs).toBe(retryAfterMs);
  });
});

describe("explainAuthError(): what kept the client from having a token", () => {
  const rows: readonly (readonly [Error, Expected])[] = [
    [new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", ""), ["TOKEN_SOURCE_UNAVAILABLE", "wait"]],
    [
      new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "", { retryAfterMs: 9_000 }),
      ["TOKEN_SOURCE_UNAVAILABLE", "wait", 9_000],
    ],
    [new TokenSourceError("ERR_TOKEN_SOURCE_REFUSED", ""), ["TOKEN_SOURCE_REFUSED", "fix_configuration"]],
    [new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", ""), ["TOKEN_SOURCE_INVALID", "fix_configuration"]],
    [new CredentialError("ERR_KEY_MISSING", ""), ["KEY_UNUSABLE", "fix_configuration"]],
    [new TypeError("fetch failed"), ["TOKEN_SOURCE_UNAVAILABLE", "wait"]],
  ];

  it.each(rows)("%# explains %s of every kind of call, and of the source itself", async (error, expected) => {
    const source = createScriptedSource();
    source.answer = () => Promise.reject(error);
    const tokens = cachedTokens(source);
    await expect(tokens.warm("https://in-memory").catch(summary)).resolves.toEqual(expected);
    const { routes } = createScriptedService();
    const interceptors = [bearerAuth(tokens)];
    const client = createClient(EchoService, createRouterTransport(routes, { transport: { interceptors } }));
    for (const kind of KINDS) {
      const thrown = await callEcho(client, kind, undefined).catch((reason: unknown) => reason);
      expect(summary(thrown)).toEqual(expected);
      expect(explainAuthError(thrown)?.origin).toBe("token_source");
    }
  });

  it("K3: explains a call that would take its token in the clear", async () => {
    const { routes } = createScriptedService();
    const transport = { interceptors: [bearerAuth(createScriptedSource())], baseUrl: "http://jobs.example" };
    const client = createClient(EchoService, createRouterTransport(routes, { transport }));
    const thrown = await client.unary({}).catch((reason: unknown) => reason);
    expect(summary(thrown)).toEqual(["TOKEN_ORIGIN", "fix_configuration"]);
  });

  it("ends its search in a chain of causes that has no end", () => {
    const error = new ConnectError("x", Code.Unauthenticated);
    error.cause = new Error("round", { cause: error });
    expect(summary(error)).toEqual(["UNAUTHENTICATED", "new_token"]);
  });
});

describe("explainAuthError(): what it shows", () => {
  it.each([
    [new TokenRejectedError("ERR_TOKEN_BOUND", ""), "bound to a key or certificate that the call did not prove"],
    [new TokenRejectedError("ERR_CREDENTIALS_MALFORMED", ""), "the server takes no DPoP tokens"],
    [new AccessDeniedError("ERR_SCOPE_MISSING", ""), "a condition of the policy is not met"],
  ])("%# names what else %s may come from", (error, cause) => {
    expect(explainAuthError(toConnectError(error))?.message).toContain(cause);
  });

  it("L1: shows nothing that the server or the source wrote", () => {
    const secret = "eyJhbGciOiJFUzI1NiJ9.c2VjcmV0.c2VjcmV0";
    for (const error of [
      new ConnectError(secret, Code.Unauthenticated, {
        "www-authenticate": `Bearer realm="${secret}", error="invalid_token", error_description="${secret}"`,
      }),
      withReason(new ConnectError(secret, Code.PermissionDenied), secret),
      new TokenSourceError("ERR_TOKEN_SOURCE_REFUSED", secret, { cause: new Error(secret) }),
    ]) {
      const failure = explainAuthError(error);
      expect(failure).toBeDefined();
      expect(JSON.stringify(failure)).not.toContain("c2VjcmV0");
    }
  });

  it("says each time in one sentence what to do, and stays as it is", () => {
    const failure = explainAuthError(new ConnectError("x", Code.PermissionDenied));
    expect(failure).toEqual({
      reason: "PERMISSION_DENIED",
      origin: "server",
      action: "ask_for_access",
      message: "The server does not permit this to the caller",
    });
    expect(Object.isFrozen(failure)).toBe(true);
  });
});
