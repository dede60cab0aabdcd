import { createServer as createHttp2Server } from "node:http2";
import {
  Code,
  ConnectError,
  createClient,
  createContextValues,
  createRouterTransport,
  type HandlerContext,
  type ServiceImpl,
} from "@connectrpc/connect";
import { afterEach, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.js";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { getPrincipal, principalKey, type ServerAuth } from "../../src/server.js";
import { createManualClock, type ManualClock } from "../../src/testing/manual-clock.js";
import { createTestIssuer, type TestIssuer } from "../../src/testing/test-issuer.js";
import { callEcho, items, KINDS } from "../support/echo-calls.js";
import { createEchoService, type EchoFixture } from "../support/echo-service.js";
import { listenForRpc, PROTOCOLS, type Protocol, type RpcServer, startRpcServer } from "../support/rpc-server.js";
import { createAuthFor } from "../support/server-auth.js";

type Echo = ServiceImpl<typeof EchoService>;

let issuer: TestIssuer;
let clock: ManualClock;
let auth: ServerAuth;
const servers: RpcServer[] = [];

beforeAll(async () => {
  clock = createManualClock();
  issuer = await createTestIssuer({ clock });
  auth = createAuthFor(issuer, { clock });
});

afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

/** Starts a server over HTTP/2 with everything mounted, and gives a client and headers with a good token. */
async function start(protocol: Protocol, echo: EchoFixture, lifetimeSeconds = 300) {
  const server = await startRpcServer("2", auth.protect({ routes: echo.routes }));
  servers.push(server);
  const token = await issuer.mint({ lifetimeSeconds });
  const options = { headers: { authorization: `Bearer ${token}` } };
  return { client: createClient(EchoService, server.transport(protocol)), options };
}

async function failureOf(call: Promise<unknown>): Promise<readonly [Code, string | undefined]> {
  const error = await call.then(
    () => new Error("the call was answered"),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) throw error;
  return [error.code, error.findDetails(ErrorInfoSchema)[0]?.reason];
}

async function drain<T>(answers: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const answer of answers) all.push(answer);
  return all;
}

/** Waits for what other tasks of this process have to do first. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe.each(PROTOCOLS)("a message for another organisation over %s", (protocol) => {
  const mixed = () => items({ orgId: "acme", text: "mine" }, { orgId: "other", text: "theirs" }, { orgId: "acme" });

  it("F3: ends a client stream whose handler swallows every error", async () => {
    const received: string[] = [];
    let wasAborted = false;
    const clientStream: Echo["clientStream"] = async (requests, context) => {
      try {
        for await (const { text } of requests) received.push(text);
      } catch {
        wasAborted = context.signal.aborted;
      }
      return { count: 99 };
    };
    const { client, options } = await start(protocol, createEchoService({ clientStream }));
    expect(await failureOf(client.clientStream(mixed(), options))).toEqual([Code.PermissionDenied, "ACCESS_DENIED"]);
    expect(received).toEqual(["mine"]);
    expect(wasAborted).toBe(true);
  });

  it("F3: ends a bidirectional stream whose handler swallows every error and goes on", async () => {
    const received: string[] = [];
    const bidiStream: Echo["bidiStream"] = async function* (requests) {
      try {
        for await (const { text } of requests) {
          received.push(text);
          yield { text };
        }
      } catch {
        // Swallowed.
      }
      for (;;) yield { text: "still here" };
    };
    const { client, options } = await start(protocol, createEchoService({ bidiStream }));
    expect(await failureOf(drain(client.bidiStream(mixed(), options)))).toEqual([
      Code.PermissionDenied,
      "ACCESS_DENIED",
    ]);
    expect(received).toEqual(["mine"]);
  });

  it("F3: ends a stream whose handler never answers", async () => {
    const clientStream: Echo["clientStream"] = async (requests) => {
      await drain(requests).catch(() => {});
      return new Promise(() => {});
    };
    const { client, options } = await start(protocol, createEchoService({ clientStream }));
    expect(await failureOf(client.clientStream(mixed(), options))).toEqual([Code.PermissionDenied, "ACCESS_DENIED"]);
  });
});

describe.each(PROTOCOLS)("a stream that outlives its token over %s", (protocol) => {
  it("J6: ends with the token plus the tolerance, though its handler hangs", async () => {
    let ended = false;
    const serverStream: Echo["serverStream"] = async function* (_, context) {
      try {
        yield { text: "first" };
        await new Promise((_resolve, reject) => {
          context.signal.addEventListener("abort", () => reject(context.signal.reason));
        });
      } finally {
        ended = true;
      }
    };
    const { client, options } = await start(protocol, createEchoService({ serverStream }), 2);
    const answers = client.serverStream({ orgId: "acme" }, options)[Symbol.asyncIterator]();
    expect((await answers.next()).value?.text).toBe("first");
    const end = failureOf(answers.next());
    await clock.advance(6_000);
    expect(ended).toBe(false);
    await clock.advance(1_000);
    expect(await end).toEqual([Code.Unauthenticated, "TOKEN_EXPIRED"]);
    expect(ended).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });

  it("J6: ends a client stream and a bidirectional one that wait for messages", async () => {
    const { client, options } = await start(protocol, createEchoService(), 2);
    const finished = Promise.withResolvers<void>();
    onTestFinished(() => finished.resolve());
    async function* slowly() {
      yield { orgId: "acme", text: "first" };
      await finished.promise;
    }
    const upload = failureOf(client.clientStream(slowly(), options));
    const answers = client.bidiStream(slowly(), options)[Symbol.asyncIterator]();
    await answers.next();
    const bidi = failureOf(answers.next());
    await until(() => clock.pendingTimers === 2);
    await clock.advance(7_000);
    expect(await upload).toEqual([Code.Unauthenticated, "TOKEN_EXPIRED"]);
    expect(await bidi).toEqual([Code.Unauthenticated, "TOKEN_EXPIRED"]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("J6: tells a handler that waits for messages, though the caller keeps the stream open", async () => {
    const received: string[] = [];
    const ended: unknown[] = [];
    const read = async (requests: AsyncIterable<{ readonly text: string }>): Promise<void> => {
      try {
        for await (const { text } of requests) received.push(text);
      } catch (error) {
        ended.push(error);
        throw error;
      }
    };
    const echo = createEchoService({
      clientStream: async (requests) => {
        await read(requests);
        return {};
      },
      async *bidiStream(requests) {
        await read(requests);
        yield {};
      },
    });
    const { client, options } = await start(protocol, echo, 2);
    const finished = Promise.withResolvers<void>();
    onTestFinished(() => finished.resolve());
    async function* slowly() {
      yield { orgId: "acme", text: "first" };
      await finished.promise;
    }
    const upload = failureOf(client.clientStream(slowly(), options));
    const bidi = failureOf(drain(client.bidiStream(slowly(), options)));
    await until(() => received.length === 2);
    await clock.advance(7_000);
    expect(await upload).toEqual([Code.Unauthenticated, "TOKEN_EXPIRED"]);
    expect(await bidi).toEqual([Code.Unauthenticated, "TOKEN_EXPIRED"]);
    await until(() => ended.length === 2);
    expect(ended).toEqual(Array(2).fill(expect.objectContaining({ code: Code.Unauthenticated })));
  });

  it("J6: ends when the time that its caller asked for is over, though its handler and its caller go on", async () => {
    const hanging = Promise.withResolvers<void>();
    onTestFinished(() => hanging.resolve());
    const told = Promise.withResolvers<void>();
    const echo = createEchoService({
      async *serverStream() {
        yield { text: "first" };
        await hanging.promise;
      },
      async clientStream(requests) {
        await drain(requests).finally(told.resolve);
        return {};
      },
    });
    const { client, options } = await start(protocol, echo);
    // Clients of Connect would give up by themselves: this one says so and does not.
    const timeout = protocol === "connect" ? { "connect-timeout-ms": "50" } : { "grpc-timeout": "50m" };
    const headers = { ...options.headers, ...timeout };
    async function* slowly() {
      yield { orgId: "acme", text: "first" };
      await hanging.promise;
    }
    const upload = failureOf(client.clientStream(slowly(), { headers }));
    const download = failureOf(drain(client.serverStream({ orgId: "acme" }, { headers })));
    expect([(await upload)[0], (await download)[0]]).toEqual([Code.DeadlineExceeded, Code.DeadlineExceeded]);
    await told.promise;
    expect(clock.pendingTimers).toBe(0);
  });

  it("J6: gets no message through when its handler overlooks that the call was aborted", async () => {
    let go = (): void => {};
    const serverStream: Echo["serverStream"] = async function* () {
      yield { text: "first" };
      await new Promise<void>((resolve) => {
        go = resolve;
      });
      yield { text: "late" };
    };
    const call = new AbortController();
    const echo = createEchoService({ serverStream });
    const shuttingDown = new AbortController();
    const server = await startRpcServer(
      "2",
      auth.protect({ routes: echo.routes, shutdownSignal: shuttingDown.signal }),
    );
    servers.push(server);
    const token = await issuer.mint({ lifetimeSeconds: 2 });
    const answers = createClient(EchoService, server.transport(protocol))
      .serverStream({ orgId: "acme" }, { headers: { authorization: `Bearer ${token}` }, signal: call.signal })
      [Symbol.asyncIterator]();
    await answers.next();
    // Aborts the call's signal and leaves its handler running.
    shuttingDown.abort(new Error("shutting down"));
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(7_000);
    const late = failureOf(answers.next());
    go();
    expect(await late).toEqual([Code.Unauthenticated, "TOKEN_EXPIRED"]);
  });
});

describe("createAuthInterceptor()", () => {
  it("J6: leaves no timer behind after 10,000 streams, of all kinds", async () => {
    const client = createClient(EchoService, createRouterTransport(auth.routes(createEchoService().routes)));
    const token = await issuer.mint();
    const kinds = KINDS.filter((kind) => kind !== "unary");
    for (let round = 0; round < 100; round++) {
      const streams = Array.from({ length: 100 }, (_, index) =>
        callEcho(client, kinds[(round + index) % kinds.length] ?? "serverStream", token),
      );
      await Promise.all(streams);
    }
    expect(clock.pendingTimers).toBe(0);
  }, 60_000);

  it("J6: takes no message once the wall clock is past the token, though no timer has told so", async () => {
    const stepping = createManualClock();
    stepping.setWallClock(clock.nowMs());
    const strict = createAuthFor(issuer, { clock: stepping });
    const received: string[] = [];
    const clientStream: Echo["clientStream"] = async (requests) => {
      for await (const { text } of requests) received.push(text);
      return { count: received.length };
    };
    async function* messages() {
      yield { orgId: "acme", text: "first" };
      await until(() => received.length === 1);
      stepping.setWallClock(stepping.nowMs() + 10_000);
      yield { orgId: "acme", text: "late" };
    }
    const echo = createEchoService({ clientStream });
    const client = createClient(EchoService, createRouterTransport(strict.routes(echo.routes)));
    const options = { headers: { authorization: `Bearer ${await issuer.mint({ lifetimeSeconds: 2 })}` } };
    const failure = await failureOf(client.clientStream(messages(), options));
    expect([failure, received]).toEqual([[Code.Unauthenticated, "TOKEN_EXPIRED"], ["first"]]);
  });

  it("J6: answers over HTTP/1.1 though the handler has left the request half read", async () => {
    const reading = Promise.withResolvers<void>();
    const clientStream: Echo["clientStream"] = async (requests) => {
      await requests[Symbol.asyncIterator]().next();
      reading.resolve();
      return new Promise(() => {});
    };
    const server = await startRpcServer("1.1", auth.protect({ routes: createEchoService({ clientStream }).routes }));
    servers.push(server);
    const finished = Promise.withResolvers<void>();
    onTestFinished(() => finished.resolve());
    async function* slowly() {
      yield { orgId: "acme" };
      await finished.promise;
    }
    const options = { headers: { authorization: `Bearer ${await issuer.mint({ lifetimeSeconds: 2 })}` } };
    const client = createClient(EchoService, server.transport("connect"));
    const upload = failureOf(client.clientStream(slowly(), options));
    await reading.promise;
    await clock.advance(7_000);
    expect(await upload).toEqual([Code.Unauthenticated, "TOKEN_EXPIRED"]);
  });

  it("does not look again at a call that the gate has admitted", async () => {
    const asked: unknown[] = [];
    const allow = (_: unknown, request?: unknown): boolean => {
      asked.push(request);
      return true;
    };
    const strict = createAuthFor(issuer, { clock, policy: { "latchkey.testing.v1.EchoService/*": { allow } } });
    const client = createClient(EchoService, createRouterTransport(strict.routes(createEchoService().routes)));
    await callEcho(client, "unary", await issuer.mint());
    expect(asked).toEqual([undefined, expect.objectContaining({ orgId: "acme" })]);
  });

  it("lets a handler finish what it has to say when the server shuts down", async () => {
    const shuttingDown = new AbortController();
    const serverStream: Echo["serverStream"] = async function* (_, context) {
      yield { text: "first" };
      await until(() => context.signal.aborted);
      yield { text: "goodbye" };
    };
    const echo = createEchoService({ serverStream });
    const server = await startRpcServer(
      "2",
      auth.protect({ routes: echo.routes, shutdownSignal: shuttingDown.signal }),
    );
    servers.push(server);
    const options = { headers: { authorization: `Bearer ${await issuer.mint()}` } };
    const client = createClient(EchoService, server.transport("connect"));
    const answers = client.serverStream({ orgId: "acme" }, options)[Symbol.asyncIterator]();
    await answers.next();
    shuttingDown.abort();
    expect((await answers.next()).value?.text).toBe("goodbye");
    expect((await answers.next()).done).toBe(true);
  });

  it("runs the finally of a handler whose caller leaves, and drops its timer", async () => {
    let left = false;
    const serverStream: Echo["serverStream"] = async function* (_, context) {
      try {
        yield { text: "first" };
        await until(() => context.signal.aborted);
      } finally {
        left = true;
      }
    };
    const { client, options } = await start("connect", createEchoService({ serverStream }));
    const call = new AbortController();
    const answers = client.serverStream({ orgId: "acme" }, { ...options, signal: call.signal });
    const iterator = answers[Symbol.asyncIterator]();
    await iterator.next();
    call.abort();
    await until(() => left && clock.pendingTimers === 0);
  });

  it.each(KINDS)("F6: shows a handler its own caller though calls share context values: %s", async (kind) => {
    const shared = createContextValues();
    const laterCall = Promise.withResolvers<void>();
    const subjectOf = async (context: HandlerContext): Promise<string> => {
      if (getPrincipal(context)?.subject === "first") await laterCall.promise;
      else laterCall.resolve();
      return getPrincipal(context)?.subject ?? "";
    };
    const echo = createEchoService({
      unary: async (_, context) => ({ subject: await subjectOf(context) }),
      clientStream: async (_, context) => ({ subject: await subjectOf(context) }),
      async *serverStream(_, context) {
        yield { subject: await subjectOf(context) };
      },
      async *bidiStream(_, context) {
        yield { subject: await subjectOf(context) };
      },
    });
    const { gate: requestGate, interceptor } = auth;
    const options = { routes: echo.routes, requestGate, interceptors: [interceptor], contextValues: () => shared };
    const server = await startRpcServer("2", options);
    servers.push(server);
    const client = createClient(EchoService, server.transport("grpc"));
    const [first, second] = await Promise.all(["first", "second"].map((sub) => issuer.mint({ claims: { sub } })));
    const firstAnswer = callEcho(client, kind, first);
    await until(() => shared.get(principalKey)?.subject === "first");
    expect([await callEcho(client, kind, second), await firstAnswer]).toEqual(["second", "first"]);
  });

  describe.each(PROTOCOLS)("without a gate, over %s", (protocol) => {
    it.each(KINDS)("J7: authenticates itself: %s", async (kind) => {
      const echo = createEchoService();
      const { interceptor } = auth;
      const server = await startRpcServer("2", { routes: echo.routes, interceptors: [interceptor] });
      servers.push(server);
      const client = createClient(EchoService, server.transport(protocol));
      const missing: readonly unknown[] = [Code.Unauthenticated, "CREDENTIALS_MISSING"];
      expect(await failureOf(callEcho(client, kind, undefined))).toEqual(missing);
      expect(echo.calls()).toBe(0);
      expect(await callEcho(client, kind, await issuer.mint())).toBe("alice");
    });
  });

  describe.each(PROTOCOLS)("an upstream that does not accept our credentials, over %s", (protocol) => {
    it("G8: is not the caller's fault", async () => {
      const { client: upstream } = await start("connect", createEchoService());
      const { client, options } = await start(
        protocol,
        createEchoService({
          unary: (request) => upstream.unary({ orgId: request.orgId }),
          serverStream: (request) => upstream.serverStream({ orgId: request.orgId }),
          clientStream: async () => upstream.clientStream(items()),
          bidiStream: () => upstream.bidiStream(items()),
          public: async (request) => ({ text: (await upstream.unary({ text: request.text })).text }),
        }),
      );
      // The upstream is a server of ours, with the challenge that our own clients act upon.
      const refused = ConnectError.from(await upstream.unary({}).catch((error: unknown) => error));
      expect(refused.metadata.get("www-authenticate")).toBe('Bearer realm="latchkey"');
      const token = options.headers.authorization.slice("Bearer ".length);
      for (const call of [...KINDS.map((kind) => () => callEcho(client, kind, token)), () => client.public({})]) {
        const error = ConnectError.from(await call().catch((reason: unknown) => reason));
        expect([error.code, error.rawMessage, error.details]).toEqual([Code.Internal, "internal error", []]);
        expect(error.metadata.has("www-authenticate")).toBe(false);
      }
    });
  });

  it.each(PROTOCOLS)("G8: is not the caller's fault when a proxy refuses in its place, over %s", async (protocol) => {
    const proxy = createHttp2Server((_, response) => {
      response.writeHead(401, { "content-type": "text/html", "www-authenticate": 'Bearer error="invalid_token"' });
      response.end("<p>Log in</p>");
    });
    await using refusing = await listenForRpc("2", proxy);
    const upstream = createClient(EchoService, refusing.transport(protocol));
    const echo = createEchoService({
      unary: (request) => upstream.unary({ orgId: request.orgId }),
      serverStream: (request) => upstream.serverStream({ orgId: request.orgId }),
    });
    const { client } = await start("connect", echo);
    const token = await issuer.mint();
    for (const kind of ["unary", "serverStream"] as const) {
      const error = ConnectError.from(await callEcho(client, kind, token).catch((reason: unknown) => reason));
      expect([error.code, error.rawMessage]).toEqual([Code.Internal, "internal error"]);
      expect(error.metadata.has("www-authenticate")).toBe(false);
    }
  });

  it("leaves the handler's own errors alone, on streams too", async () => {
    const mine = new ConnectError("mine", Code.FailedPrecondition);
    const unary: Echo["unary"] = () => Promise.reject(mine);
    const serverStream: Echo["serverStream"] = async function* () {
      yield {};
      throw mine;
    };
    const { client } = await start("grpc", createEchoService({ unary, serverStream }));
    const token = await issuer.mint();
    for (const kind of ["unary", "serverStream"] as const) {
      expect(await failureOf(callEcho(client, kind, token))).toEqual([Code.FailedPrecondition, undefined]);
    }
  });

  it("guards public streams as little as public calls, and hides upstream refusals there as well", async () => {
    const ECHO = "latchkey.testing.v1.EchoService";
    const open = createAuthFor(issuer, { clock, policy: { [`${ECHO}/*`]: { public: true } } });
    const { client: upstream } = await start("connect", createEchoService());
    const echo = createEchoService({ serverStream: () => upstream.serverStream({ orgId: "acme" }) });
    const client = createClient(EchoService, createRouterTransport(open.routes(echo.routes)));
    expect(await callEcho(client, "bidiStream", "not a token", "other")).toBe("");
    expect(await failureOf(callEcho(client, "serverStream", undefined))).toEqual([Code.Internal, undefined]);
  });
});
