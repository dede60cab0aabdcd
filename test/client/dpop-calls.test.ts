import { createServer } from "node:http";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type Interceptor,
  type Transport,
} from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { createConnectTransport as createWebTransport } from "@connectrpc/connect-web";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { type BearerAuthOptions, bearerAuth } from "../../src/client/bearer-auth.js";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { type DpopProofsOptions, dpopProofs } from "../../src/client/dpop-proofs.js";
import { explainAuthError } from "../../src/client/explain-auth-error.js";
import { signedJwt } from "../../src/client/signed-jwt.js";
import { staticToken } from "../../src/client/static-token.js";
import { generateSigningKey } from "../../src/keys/signing-key.js";
import type { TokenSource } from "../../src/token/token.js";
import { challenge, createDpopChecker, type DpopChecker } from "../support/dpop-checker.js";
import { callEcho, KINDS, type Kind } from "../support/echo-calls.js";
import { createEchoService, type EchoFixture } from "../support/echo-service.js";
import { listenForRpc, PROTOCOLS, type Protocol, type RpcServer, startRpcServer } from "../support/rpc-server.js";
import { createScriptedSource } from "../support/scripted-source.js";

const REPEATED: readonly Kind[] = ["unary", "serverStream"];
const NOT_REPEATED: readonly Kind[] = ["clientStream", "bidiStream"];

const { key } = await generateSigningKey();

let checker: DpopChecker;
let echo: EchoFixture;
let server: RpcServer;
beforeEach(async () => {
  checker = createDpopChecker();
  echo = createEchoService();
  server = await startRpcServer("2", { routes: echo.routes, requestGate: checker.gate });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

const transports: Readonly<Record<Protocol, (interceptors: Interceptor[]) => Transport>> = {
  connect: (interceptors) => createConnectTransport({ baseUrl: server.url, httpVersion: "2", interceptors }),
  grpc: (interceptors) => createGrpcTransport({ baseUrl: server.url, interceptors }),
  "grpc-web": (interceptors) => createGrpcWebTransport({ baseUrl: server.url, httpVersion: "2", interceptors }),
};

function clientOf(auth: Interceptor, protocol: Protocol = "connect"): Client<typeof EchoService> {
  return createClient(EchoService, transports[protocol]([auth]));
}

/** An interceptor with tokens from `source`, or else ones that are bound to the key of the proofs. */
function provingAuth(source?: TokenSource, proofs: Partial<DpopProofsOptions> = {}, auth: BearerAuthOptions = {}) {
  const dpop = dpopProofs({ key, ...proofs });
  return bearerAuth(source ?? signedJwt({ key, issuer: "jobs-cli", dpop }), { dpop, ...auth });
}

async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) throw new Error("expected a ConnectError", { cause: error });
  return error;
}

const identifiers = (): unknown[] => checker.proofs.map(({ claims }) => claims.jti);

describe.each(PROTOCOLS)("calls with a proof, over %s", (protocol) => {
  it.each(KINDS)("are accepted by a server that checks it: %s", async (kind) => {
    const client = clientOf(provingAuth(), protocol);
    for (let call = 0; call < 3; call++) await callEcho(client, kind, undefined);
    expect(echo.calls()).toBe(3);
    expect(new Set(identifiers()).size).toBe(3);
    expect(checker.authorizations).toEqual(Array.from({ length: 3 }, () => expect.stringMatching(/^DPoP ey/)));
    expect(Object.keys(checker.proofs[0]?.header.jwk ?? {}).sort()).toEqual(["crv", "kty", "x", "y"]);
  });

  it.each(REPEATED)("are made again with the nonce that the server wants: %s", async (kind) => {
    checker.nonce = "nonce-1";
    const source = createScriptedSource();
    const client = clientOf(provingAuth(source), protocol);
    await callEcho(client, kind, undefined);
    expect(checker.proofs.map(({ claims }) => claims["nonce"])).toEqual([undefined, "nonce-1"]);
    expect(new Set(identifiers()).size).toBe(2);
    expect(echo.calls()).toBe(1);
    await callEcho(client, kind, undefined);
    expect(checker.proofs.map(({ claims }) => claims["nonce"])).toEqual([undefined, "nonce-1", "nonce-1"]);
    expect(source.requests).toHaveLength(1);
  });

  it.each(REPEATED)("find the nonce also where only the headers of the response have it: %s", async (kind) => {
    checker.nonce = "nonce-1";
    checker.nonceIn = "headers";
    await callEcho(clientOf(provingAuth(), protocol), kind, undefined);
    expect(checker.proofs.map(({ claims }) => claims["nonce"])).toEqual([undefined, "nonce-1"]);
  });

  it.each(NOT_REPEATED)(
    "are not made again when their messages are gone, but the next has the nonce: %s",
    async (kind) => {
      checker.nonce = "nonce-1";
      const source = createScriptedSource();
      const client = clientOf(provingAuth(source), protocol);
      const error = await errorOf(callEcho(client, kind, undefined));
      expect(explainAuthError(error)).toMatchObject({ reason: "PROOF_NONCE_REQUIRED", action: "retry" });
      expect(checker.proofs).toHaveLength(1);
      await callEcho(client, kind, undefined);
      expect(checker.proofs.map(({ claims }) => claims["nonce"])).toEqual([undefined, "nonce-1"]);
      expect(source.requests).toHaveLength(1);
    },
  );

  it.each(KINDS)("take the nonce that an answer gives into the next proof: %s", async (kind) => {
    const client = clientOf(provingAuth(), protocol);
    for (const nonce of ["a", "b", "c"]) {
      checker.nextNonce = nonce;
      await callEcho(client, kind, undefined);
    }
    expect(checker.proofs.map(({ claims }) => claims["nonce"])).toEqual([undefined, "a", "b"]);
  });

  it.each(REPEATED)("K9: are made twice at most for a nonce, and keep their token: %s", async (kind) => {
    let serial = 0;
    checker.afterProof = () => {
      throw challenge('DPoP error="use_dpop_nonce"', { "dpop-nonce": `n${++serial}` });
    };
    const source = createScriptedSource();
    const client = clientOf(provingAuth(source), protocol);
    for (let call = 1; call <= 3; call++) {
      checker.nonce = serial === 0 ? undefined : `n${serial}`;
      const error = await errorOf(callEcho(client, kind, undefined));
      expect(error.code).toBe(Code.Unauthenticated);
    }
    expect(checker.proofs.length).toBeLessThanOrEqual(6);
    expect(source.requests).toHaveLength(1);
    expect(echo.calls()).toBe(0);
  });

  it.each(REPEATED)("K10: are made once when the nonce that is wanted was in the proof: %s", async (kind) => {
    checker.nonce = "nonce-1";
    const client = clientOf(provingAuth(), protocol);
    await callEcho(client, kind, undefined);
    checker.afterProof = () => {
      throw challenge('DPoP error="use_dpop_nonce"', { "dpop-nonce": "nonce-1" });
    };
    await errorOf(callEcho(client, kind, undefined));
    expect(checker.proofs).toHaveLength(3);
  });

  it.each(REPEATED)("K9: have a new proof, for the new token, when their token was refused: %s", async (kind) => {
    const source = createScriptedSource();
    checker.afterProof = ({ token }) => {
      if (token === "token-1") throw challenge('DPoP error="invalid_token", algs="ES256"');
    };
    checker.nonce = "nonce-1";
    await callEcho(clientOf(provingAuth(source), protocol), kind, undefined);
    // Refused for the nonce, then for the token; then accepted with another token and the nonce that is known.
    expect(checker.proofs.map(({ token, claims }) => [token, claims["nonce"]])).toEqual([
      ["token-1", undefined],
      ["token-1", "nonce-1"],
      ["token-2", "nonce-1"],
    ]);
    expect(new Set(identifiers()).size).toBe(3);
    expect(source.requests).toHaveLength(2);
    expect(echo.calls()).toBe(1);
  });

  it.each(KINDS)("end with a proof that is not accepted, once, and keep their token: %s", async (kind) => {
    checker.afterProof = () => {
      throw challenge('DPoP error="invalid_dpop_proof", algs="ES256"');
    };
    const source = createScriptedSource();
    const client = clientOf(provingAuth(source), protocol);
    for (let call = 0; call < 2; call++) {
      const error = await errorOf(callEcho(client, kind, undefined));
      expect(explainAuthError(error)).toMatchObject({ reason: "PROOF_REJECTED" });
    }
    expect(checker.proofs).toHaveLength(2);
    expect(source.requests).toHaveLength(1);
  });

  it.each(KINDS)("end when the user has to sign in again, once, and keep their token: %s", async (kind) => {
    checker.afterProof = () => {
      throw challenge('DPoP error="insufficient_user_authentication", acr_values="gold", max_age="60"');
    };
    const source = createScriptedSource();
    const client = clientOf(provingAuth(source), protocol);
    for (let call = 0; call < 2; call++) {
      const error = await errorOf(callEcho(client, kind, undefined));
      expect(explainAuthError(error)).toMatchObject({ acrValues: ["gold"], maxAgeSeconds: 60 });
    }
    expect(checker.proofs).toHaveLength(2);
    expect(source.requests).toHaveLength(1);
  });
});

describe("calls with a proof", () => {
  it("have a proof each when they are made at once", async () => {
    checker.nonce = "nonce-1";
    const client = clientOf(provingAuth());
    const kinds = Array.from({ length: 80 }, (_, index) => KINDS[index % 2] ?? "unary");
    await Promise.all(kinds.map((kind) => callEcho(client, kind, undefined)));
    expect(new Set(identifiers()).size).toBe(checker.proofs.length);
    expect(checker.proofs.length).toBeLessThanOrEqual(2 * kinds.length);
    expect(echo.calls()).toBe(kinds.length);
  });

  it("have the headers and trailers of the response that counts", async () => {
    await using other = await startRpcServer("2", {
      requestGate: checker.gate,
      routes: createEchoService({
        async *serverStream(_, context) {
          context.responseHeader.set("x-opened", "yes");
          context.responseTrailer.set("x-closed", "yes");
          yield { text: "hi" };
        },
      }).routes,
    });
    checker.nonce = "nonce-1";
    checker.nonceIn = "headers";
    const transport = createConnectTransport({ baseUrl: other.url, httpVersion: "2", interceptors: [provingAuth()] });
    const seen: { header?: Headers; trailer?: Headers } = {};
    const stream = createClient(EchoService, transport).serverStream(
      {},
      {
        onHeader: (header) => void Object.assign(seen, { header }),
        onTrailer: (trailer) => void Object.assign(seen, { trailer }),
      },
    );
    for await (const _ of stream);
    expect(checker.proofs).toHaveLength(2);
    expect(seen.header?.get("x-opened")).toBe("yes");
    expect(seen.trailer?.get("x-closed")).toBe("yes");
  });

  it.each([true, false])("name the method that a transport with useHttpGet: %s uses", async (useHttpGet) => {
    const seenMethods: string[] = [];
    const spy: Interceptor = (next) => (req) => {
      if (!req.stream) seenMethods.push(req.requestMethod);
      return next(req);
    };
    const interceptors = [provingAuth(undefined, { useHttpGet }), spy];
    const transport = createConnectTransport({ baseUrl: server.url, httpVersion: "2", useHttpGet, interceptors });
    const client = createClient(EchoService, transport);
    await client.get({ text: "a query? & a # fragment" });
    await client.unary({ text: "hi" });
    expect(checker.proofs.map(({ claims }) => claims.htm)).toEqual([useHttpGet ? "GET" : "POST", "POST"]);
    expect(checker.proofs.map(({ claims }) => claims.htu?.includes("?"))).toEqual([false, false]);
    // Why the proofs have an option: interceptors see what will be a GET as a POST.
    expect(seenMethods).toEqual(["POST", "POST"]);
  });

  it.each([true, false])("name the method that a browser's transport with useHttpGet: %s uses", async (useHttpGet) => {
    await using http1 = await startRpcServer("1.1", { routes: echo.routes, requestGate: checker.gate });
    const interceptors = [provingAuth(undefined, { useHttpGet })];
    const client = createClient(EchoService, createWebTransport({ baseUrl: http1.url, useHttpGet, interceptors }));
    await client.get({ text: "a query? & a # fragment" });
    expect(checker.proofs.map(({ claims }) => claims.htm)).toEqual([useHttpGet ? "GET" : "POST"]);
  });

  it("are refused for good when transport and proofs disagree about useHttpGet", async () => {
    const interceptors = [provingAuth()];
    const options = { baseUrl: server.url, httpVersion: "2", useHttpGet: true, interceptors } as const;
    const error = await errorOf(createClient(EchoService, createConnectTransport(options)).get({}));
    expect(explainAuthError(error)?.reason).toBe("PROOF_REJECTED");
    expect(checker.proofs).toHaveLength(1);
  });

  it("go with a token from anywhere, and with a cache that bearer calls use too", async () => {
    await clientOf(provingAuth(staticToken("abc"))).unary({});
    const tokens = cachedTokens(createScriptedSource());
    await clientOf(provingAuth(tokens)).unary({});
    await errorOf(clientOf(bearerAuth(tokens)).unary({}));
    await clientOf(provingAuth(tokens)).unary({});
    expect(checker.authorizations).toEqual([
      "DPoP abc",
      "DPoP token-1",
      "Bearer token-1",
      "Bearer token-2",
      "DPoP token-2",
    ]);
  });

  it("are refused when the token is bound to another key", async () => {
    const { key: other } = await generateSigningKey();
    const source = signedJwt({ key, issuer: "jobs-cli", dpop: dpopProofs({ key: other }) });
    const error = await errorOf(clientOf(provingAuth(source)).unary({}));
    expect(explainAuthError(error)?.reason).toBe("TOKEN_REJECTED");
  });

  it("leave no proof to an interceptor that makes the call again", async () => {
    const again: Interceptor = (next) => async (req) => {
      await next(req);
      expect(req.header.has("dpop")).toBe(false);
      return next(req);
    };
    const transport = transports.connect([again, provingAuth()]);
    await createClient(EchoService, transport).unary({});
    expect(new Set(identifiers()).size).toBe(2);
  });

  it("fail as broken keys do when a proof cannot be made", async () => {
    const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-384" }, false, ["sign"]);
    const unfit = { ...key, privateKey: pair.privateKey };
    const error = await errorOf(clientOf(provingAuth(staticToken("abc"), { key: unfit })).unary({}));
    expect(error.code).toBe(Code.Internal);
    expect(explainAuthError(error)).toMatchObject({ reason: "KEY_UNUSABLE", origin: "token_source" });
    expect(checker.authorizations).toEqual([]);
  });

  it("end with their signal while they wait for an answer, without a second attempt", async () => {
    const controller = new AbortController();
    checker.nonce = "nonce-1";
    checker.afterProof = () => controller.abort();
    const error = await errorOf(clientOf(provingAuth()).unary({}, { signal: controller.signal }));
    expect(error.code).toBe(Code.Canceled);
    expect(checker.proofs).toHaveLength(2);
  });
});

describe("the interceptor of proofs on its own", () => {
  const withToken: Interceptor = (next) => (req) => {
    req.header.set("authorization", "Bearer abc");
    return next(req);
  };

  it.each(KINDS)("proves the calls that have a token, and no others: %s", async (kind) => {
    const { interceptor } = dpopProofs({ key });
    await callEcho(createClient(EchoService, transports.connect([withToken, interceptor])), kind, undefined);
    expect(checker.authorizations).toEqual(["DPoP abc"]);
    await errorOf(callEcho(createClient(EchoService, transports.connect([interceptor])), kind, undefined));
    expect(checker.authorizations).toEqual(["DPoP abc", null]);
    expect(checker.proofs).toHaveLength(1);
  });

  it.each(REPEATED)("makes a call again with the nonce that the server wants: %s", async (kind) => {
    checker.nonce = "nonce-1";
    const client = createClient(EchoService, transports.connect([withToken, dpopProofs({ key }).interceptor]));
    await callEcho(client, kind, undefined);
    expect(checker.proofs.map(({ claims }) => claims["nonce"])).toEqual([undefined, "nonce-1"]);
    expect(echo.calls()).toBe(1);
  });

  it("leaves the headers of the call as they were, for whoever makes it again", async () => {
    const again: Interceptor = (next) => async (req) => {
      await next(req);
      expect([req.header.get("authorization"), req.header.get("dpop")]).toEqual(["Bearer abc", null]);
      return next(req);
    };
    await createClient(EchoService, transports.connect([withToken, again, dpopProofs({ key }).interceptor])).unary({});
    expect(new Set(identifiers()).size).toBe(2);
  });

  it.each(KINDS)("refuses a call to no origin, and says what is missing: %s", async (kind) => {
    const { interceptor } = dpopProofs({ key });
    const transport = createRouterTransport(echo.routes, {
      transport: { interceptors: [withToken, interceptor], baseUrl: "/rpc" },
    });
    const error = await errorOf(callEcho(createClient(EchoService, transport), kind, undefined));
    expect(error.code).toBe(Code.FailedPrecondition);
    expect(explainAuthError(error)).toMatchObject({ reason: "TOKEN_ORIGIN", origin: "token_source" });
    expect(error.cause).toMatchObject({ message: expect.stringContaining("give the transport an absolute baseUrl") });
    expect(echo.calls()).toBe(0);
  });
});

describe("where proofs go", () => {
  /** A client in the same process, at `baseUrl` as far as interceptors see, and the headers that were sent. */
  function inMemory(auth: Interceptor, baseUrl: string) {
    const sent: (string | null)[][] = [];
    const spy: Interceptor = (next) => (req) => {
      sent.push([req.header.get("authorization"), req.header.get("dpop")]);
      return next(req);
    };
    const transport = createRouterTransport(echo.routes, { transport: { interceptors: [auth, spy], baseUrl } });
    return { sent, client: createClient(EchoService, transport) };
  }

  it("K2: nowhere but where their token goes", async () => {
    const auth = provingAuth(staticToken("abc"));
    const [own, other] = ["https://jobs.example", "https://evil.example"].map((url) => inMemory(auth, url));
    await own?.client.unary({});
    await other?.client.unary({});
    expect(own?.sent).toEqual([["DPoP abc", expect.stringMatching(/^ey/)]]);
    expect(other?.sent).toEqual([[null, null]]);
  });

  it("K2: not with a token of the caller's own", async () => {
    const { client, sent } = inMemory(provingAuth(), "https://jobs.example");
    await client.unary({}, { headers: { authorization: "Bearer mine" } });
    expect(sent).toEqual([["Bearer mine", null]]);
  });

  it("K2: not with the nonce of another server", async () => {
    await using second = await startRpcServer("2", { routes: echo.routes, requestGate: checker.gate });
    const auth = provingAuth();
    checker.nonce = "nonce-1";
    await clientOf(auth).unary({});
    checker.nonce = "nonce-2";
    const transport = createConnectTransport({ baseUrl: second.url, httpVersion: "2", interceptors: [auth] });
    await createClient(EchoService, transport).unary({});
    expect(checker.proofs.map(({ claims }) => claims["nonce"])).toEqual([undefined, "nonce-1", undefined, "nonce-2"]);
  });

  it("K2: not after a redirect", async () => {
    let requests = 0;
    const redirecting = await listenForRpc(
      "1.1",
      createServer((request, response) => {
        requests++;
        response.writeHead(307, { location: `${server.url}${request.url}` }).end();
      }),
    );
    await using _ = redirecting;
    for (const create of [createConnectTransport, createWebTransport]) {
      const transport = create({ baseUrl: redirecting.url, httpVersion: "1.1", interceptors: [provingAuth()] });
      await errorOf(createClient(EchoService, transport).unary({}));
    }
    expect(requests).toBe(2);
    expect(checker.authorizations).toEqual([]);
  });

  it("K3: not in the clear", async () => {
    const { client, sent } = inMemory(provingAuth(), "http://jobs.example");
    expect((await errorOf(client.unary({}))).code).toBe(Code.FailedPrecondition);
    expect(sent).toEqual([]);
  });
});
