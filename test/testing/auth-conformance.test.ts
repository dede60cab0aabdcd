import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  createRouterTransport,
  type Interceptor,
} from "@connectrpc/connect";
import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import { createServerAuth, getPrincipal, type ServerAuth, type ServerAuthOptions } from "../../src/server.js";
import {
  type AuthConformance,
  type AuthConformanceOptions,
  authConformance,
  type ConformanceSubject,
  createManualClock,
  createTestIssuer,
  type FindCaller,
  type ManualClock,
  type MountServer,
} from "../../src/testing.js";

type Routes = ConformanceSubject["routes"];

const GOOD = "admits a good token, and the handler finds its caller";
const APART = "keeps the callers of concurrent calls apart";
const MISSING = "refuses a call without a token";
const MALFORMED = "refuses an Authorization header of another form";
const ROLE = "refuses a caller without the role of the method";
const ORG = "refuses a message of another organisation than the caller's";
const LATER_ORG = "refuses a later message of another organisation than the caller's";
const EXPIRY = "ends when the token of the caller expires, and the handler with it";
const FOREIGN = "refuses a token for another service";

/** A router transport speaks one protocol of its own. */
const IN_MEMORY: AuthConformanceOptions = { protocols: ["connect"] };

/** Serves routes in memory. */
function serve(routes: Routes, findCaller: FindCaller = getPrincipal): Awaited<ReturnType<MountServer>> {
  const transport = createRouterTransport(routes);
  return { transport: () => transport, getPrincipal: findCaller, [Symbol.asyncDispose]: async () => {} };
}

/** Gives all services options of their own. */
function withOptions(routes: Routes, own: Partial<ConnectRouterOptions>): Routes {
  return (router) => {
    const outer: ConnectRouter = {
      handlers: router.handlers,
      service(service, implementation, options) {
        router.service(service, implementation, { ...options, ...own });
        return outer;
      },
      rpc: router.rpc,
    };
    routes(outer);
  };
}

function mountWith(
  change: (auth: ServerAuth, routes: Routes) => Routes,
  options: Partial<ServerAuthOptions> = {},
): MountServer {
  return ({ routes, issuers }) => serve(change(createServerAuth({ issuers, ...options }), routes));
}

/** Around everything else of a server that keeps all rules. */
function mountInside(outermost: Interceptor): MountServer {
  return mountWith((auth, routes) => {
    const { interceptor } = auth;
    return withOptions(routes, { interceptors: [outermost, interceptor] });
  });
}

/** The names of the rules that a server breaks with any kind of call. */
async function findBroken(conformance: AuthConformance): Promise<readonly string[]> {
  const broken = new Set<string>();
  for (const { name, run } of conformance.cases) {
    await run().catch(() => broken.add(ruleOf(name)));
  }
  await conformance[Symbol.asyncDispose]();
  return [...broken];
}

function ruleOf(name: string): string {
  return name.replace(/^[^:]+: /, "");
}

const allRules = [
  ...new Set(authConformance(mountWith((auth, routes) => auth.routes(routes))).cases.map(({ name }) => ruleOf(name))),
];
const tokenRules = allRules.filter((name) => name.startsWith("refuses a token "));

describe("authConformance()", () => {
  it("lists the cases of each protocol and kind without starting anything", () => {
    const conformance = authConformance(() => {
      throw new Error("started");
    });
    expect(conformance.cases.length).toBe(12 * (allRules.length - 1) + 6);
    expect(new Set(conformance.cases.map(({ name }) => name)).size).toBe(conformance.cases.length);
    expect(conformance.cases[0]).toMatchObject({ name: `connect unary: ${GOOD}`, protocol: "connect", kind: "unary" });
    const few = authConformance(serveNothing, { protocols: ["grpc-web"], kinds: ["unary", "bidi_streaming"] });
    expect(new Set(few.cases.map(({ protocol, kind }) => `${protocol} ${kind}`))).toEqual(
      new Set(["grpc-web unary", "grpc-web bidi_streaming"]),
    );
  });

  it("has about two dozen kinds of bad tokens", () => {
    expect(tokenRules.length).toBeGreaterThanOrEqual(20);
  });

  it("refuses options that it cannot follow", () => {
    for (const options of [
      { protocols: [] },
      { kinds: [] },
      { kinds: ["streaming"] as never },
      { protocols: ["http"] as never },
      { timeoutMs: 0 },
    ] satisfies AuthConformanceOptions[]) {
      expect(() => authConformance(serveNothing, options)).toThrow(/^(protocols|kinds|timeoutMs) must /);
    }
  });

  it("refuses a field that is not an option", () => {
    expect(() => authConformance(serveNothing, { protocol: ["connect"] } as never)).toThrow(
      new TypeError("options.protocol is not an option"),
    );
  });

  it("gives up on a call before a test runner gives up on the case", async () => {
    let timeoutMs: string | null = null;
    const note: Interceptor = (next) => (request) => {
      timeoutMs = request.header.get("connect-timeout-ms");
      return next(request);
    };
    await using conformance = authConformance(mountInside(note), IN_MEMORY);
    await conformance.cases[0]?.run();
    expect(timeoutMs).toBe("2500");
  });

  it("runs all cases against one server, and stops it", async () => {
    let started = 0;
    let stopped = 0;
    const conformance = authConformance(({ routes, issuers }) => {
      started++;
      const server = serve(createServerAuth({ issuers }).routes(routes));
      return { ...server, [Symbol.asyncDispose]: async () => void stopped++ };
    }, IN_MEMORY);
    await conformance.run();
    expect([started, stopped]).toEqual([1, 1]);
    await conformance[Symbol.asyncDispose]();
    expect(stopped).toBe(1);
  });

  it("lists every case that failed, in one error", async () => {
    const conformance = authConformance(
      mountWith((auth, routes) => auth.routes(routes), { policy: { "latchkey.testing.v1.EchoService/*": {} } }),
      { ...IN_MEMORY, kinds: ["unary"] },
    );
    const error: unknown = await conformance.run().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).message).toBe(
      [
        `2 failures in ${conformance.cases.length} cases:`,
        `- connect unary: ${ROLE}: expected PermissionDenied, and the call was answered`,
        `- connect unary: ${ORG}: expected PermissionDenied, and the call was answered`,
      ].join("\n"),
    );
    expect((error as AggregateError).errors).toHaveLength(2);
  });

  it("says once that there is no server, and each case alone says the same", async () => {
    const cause = new TypeError("The port is taken");
    let mounted = 0;
    await using conformance = authConformance(() => {
      mounted++;
      throw cause;
    });
    const expected = { message: "the server could not be mounted: The port is taken", cause };
    for (const run of [conformance.run, ...conformance.cases.slice(0, 2).map((one) => one.run)]) {
      const error: unknown = await run().catch((reason: unknown) => reason);
      expect(error).not.toBeInstanceOf(AggregateError);
      expect(error).toMatchObject(expected);
    }
    expect(mounted).toBe(1);
  });

  it.each([
    ["undefined", undefined],
    ["string", "http://127.0.0.1"],
    ["no transport", {}],
    ["no getPrincipal", { transport: () => {} }],
    ["no [Symbol.asyncDispose]", { transport: () => {}, getPrincipal: () => {} }],
  ])("says what a mount must return, when it returns %s", async (found, returned) => {
    await expect(authConformance(() => returned as never).run()).rejects.toThrow(
      "the server could not be mounted: mount must return an object with the functions " +
        `transport, getPrincipal, [Symbol.asyncDispose]; got ${found}`,
    );
  });

  it.each<readonly [string, string, (clock: ManualClock) => MountServer]>([
    [
      "nothing",
      "Every call was answered: nothing guards the service",
      () =>
        ({ routes }) =>
          serve(routes),
    ],
    [
      "the gate alone",
      "What fails is what only the interceptor can keep: it is missing, or another one took its place",
      (clock) => mountWith(({ gate }, routes) => withOptions(routes, { requestGate: gate }), { clock }),
    ],
    [
      "a clock of its own",
      "Good tokens are refused once the clock has been moved: the server does not run on the clock of the options",
      () => mountWith((auth, routes) => auth.routes(routes)),
    ],
  ])("ends its list with what it means that a server has %s", async (_, meaning, mount) => {
    const clock = createManualClock();
    const conformance = authConformance(mount(clock), { ...IN_MEMORY, clock, timeoutMs: 200 });
    const error = (await conformance.run().catch((reason: unknown) => reason)) as AggregateError;
    expect(error.message.split("\n").slice(1 + error.errors.length)).toEqual([meaning]);
  });

  it.each<readonly [string, (clock: ManualClock) => MountServer]>([
    ["trusts nobody", () => mountTrusting({ issuer: "https://nobody.test" })],
    ["does not look at the audience", (clock) => mountTrusting({ audience: null }, clock)],
    [
      "asks for nothing but a token",
      (clock) =>
        mountWith((auth, routes) => auth.routes(routes), {
          clock,
          policy: { "latchkey.testing.v1.EchoService/*": {} },
        }),
    ],
  ])("guesses nothing about a server that %s", async (_, mount) => {
    const clock = createManualClock();
    const conformance = authConformance(mount(clock), { ...IN_MEMORY, clock, timeoutMs: 200 });
    const error = (await conformance.run().catch((reason: unknown) => reason)) as AggregateError;
    expect(error.errors.length).toBeGreaterThan(0);
    expect(error.message.split("\n")).toHaveLength(1 + error.errors.length);
  });

  it("takes an issuer of the caller's", async () => {
    const issuer = await createTestIssuer({ issuer: "https://idp.test", algorithm: ["RS256", "EdDSA"] });
    const conformance = authConformance(
      ({ routes, issuers }) => {
        expect(issuers).toEqual([issuer.trusted()]);
        return serve(createServerAuth({ issuers }).routes(routes));
      },
      { ...IN_MEMORY, issuer },
    );
    await conformance.run();
  });
});

describe("authConformance() passes", () => {
  it.each<readonly [string, MountServer]>([
    ["a server with everything mounted", mountWith((auth, routes) => auth.routes(routes))],
    [
      "a server without the gate, whose interceptor authenticates",
      mountWith(({ interceptor }, routes) => withOptions(routes, { interceptors: [interceptor] })),
    ],
  ])("%s", async (_, mount) => {
    expect(await findBroken(authConformance(mount, IN_MEMORY))).toEqual([]);
  });
});

describe("authConformance() finds out", () => {
  const refusals = [MALFORMED, ROLE, ORG, LATER_ORG, ...tokenRules];
  it.each<readonly [string, MountServer, readonly string[]]>([
    ["a server without any authentication", ({ routes }) => serve(routes), allRules],
    ["a server that does not start", mountThatFails, allRules],
    [
      "a server with the gate alone",
      mountWith(({ gate }, routes) => withOptions(routes, { requestGate: gate })),
      [ORG, LATER_ORG],
    ],
    [
      "a policy that asks for nothing",
      mountWith((auth, routes) => auth.routes(routes), { policy: { "latchkey.testing.v1.EchoService/*": {} } }),
      [ROLE, ORG, LATER_ORG],
    ],
    [
      "a policy that lets everybody in",
      mountWith((auth, routes) => auth.routes(routes), {
        policy: { "latchkey.testing.v1.EchoService/*": { public: true } },
      }),
      allRules,
    ],
    ["a server that does not look at the audience", mountTrusting({ audience: null }), [FOREIGN]],
    ["a server that takes tokens of any type", mountTrusting({ tokenType: null }), ["refuses a token of another type"]],
    [
      "a server that trusts nobody",
      mountTrusting({ issuer: "https://nobody.test" }),
      [GOOD, APART, ROLE, ORG, LATER_ORG],
    ],
    ["a server that decodes tokens and does not verify them", mountDecoding, [ROLE, ORG, LATER_ORG, ...tokenRules]],
    ["a server that keeps the caller in one place for all", mountWithOneCaller, [APART]],
    ["errors that show the token", mountInside(showToken), refusals],
    ["errors without a challenge", mountInside(dropChallenge), [MISSING, ...refusals]],
    ["one challenge for everything", mountInside(sendOneChallenge), [MISSING, ROLE, ORG, LATER_ORG]],
    ["refusals of another code", mountInside(changeCode), [MISSING, ...refusals]],
    [
      "handlers that are called before their caller is refused",
      mountTooLate,
      [MISSING, MALFORMED, ROLE, ORG, ...tokenRules],
    ],
  ])("%s", async (_, mount, expected) => {
    const broken = await findBroken(authConformance(mount, { ...IN_MEMORY, timeoutMs: 1_000 }));
    expect(new Set(broken)).toEqual(new Set(expected));
  });

  it("streams that outlive their token", async () => {
    const clock = createManualClock();
    const whole = mountWith((auth, routes) => auth.routes(routes), { clock });
    expect(await findBroken(authConformance(whole, { ...IN_MEMORY, clock }))).toEqual([]);
    const gateAlone = mountWith(({ gate }, routes) => withOptions(routes, { requestGate: gate }), { clock });
    const options = { ...IN_MEMORY, clock, timeoutMs: 200 };
    expect(await findBroken(authConformance(gateAlone, options))).toEqual([ORG, EXPIRY, LATER_ORG]);
    // A handler that is not told, and goes on for ever.
    const deaf: Interceptor = (next) => (request) => next({ ...request, signal: new AbortController().signal });
    const outliving = mountWith(
      ({ interceptor }, routes) => withOptions(routes, { interceptors: [interceptor, deaf] }),
      { clock },
    );
    expect(await findBroken(authConformance(outliving, options))).toEqual([EXPIRY]);
    // Streams that are refused from the start have not ended by the expiry of their token.
    await using stranger = authConformance(mountTrusting({ issuer: "https://nobody.test" }), options);
    const early = stranger.cases.filter(({ name }) => ruleOf(name) === EXPIRY);
    expect(early).toHaveLength(3);
    for (const { run } of early) await expect(run()).rejects.toThrow("ended before the token of its caller expired");
  });
});

function serveNothing(): never {
  throw new Error("nothing to serve");
}

function mountThatFails(): never {
  throw new TypeError("The policy cannot be applied");
}

function mountTrusting(changed: Partial<ServerAuthOptions["issuers"][number]>, clock?: ManualClock): MountServer {
  return ({ routes, issuers }) => {
    const changedIssuers = issuers.map((issuer) => ({ ...issuer, ...changed }));
    return serve(createServerAuth({ issuers: changedIssuers, ...(clock && { clock }) }).routes(routes));
  };
}

const mountDecoding: MountServer = ({ routes }) => {
  const callers = new WeakMap<Headers, { readonly subject: string }>();
  const decode: Interceptor = (next) => async (request) => {
    const [, token = ""] = /^Bearer ([^ ,"]+)$/.exec(request.header.get("authorization") ?? "") ?? [];
    if (token === "") {
      const error = request.header.has("authorization") ? ', error="invalid_request"' : "";
      throw new ConnectError("no", Code.Unauthenticated, { "www-authenticate": `Bearer realm="x"${error}` });
    }
    callers.set(request.header, { subject: decodeJwt(token).sub ?? "" });
    return next(request);
  };
  return serve(withOptions(routes, { interceptors: [decode] }), ({ requestHeader }) => callers.get(requestHeader));
};

const mountWithOneCaller: MountServer = ({ routes, issuers }) => {
  let caller: { readonly subject: string } | undefined;
  const remember: Interceptor = (next) => (request) => {
    caller = getPrincipal(request);
    return next(request);
  };
  const { interceptor } = createServerAuth({ issuers });
  return serve(withOptions(routes, { interceptors: [interceptor, remember] }), () => caller);
};

/** Changes the error of a call, wherever in the call it comes up. */
function onError(change: (error: ConnectError, header: Headers) => ConnectError): Interceptor {
  return (next) => async (request) => {
    const toError = (error: unknown): ConnectError => change(ConnectError.from(error), request.header);
    const response = await next(request).catch((error: unknown) => {
      throw toError(error);
    });
    if (!response.stream) return response;
    async function* answers(source: AsyncIterable<never>): AsyncGenerator<never> {
      try {
        yield* source;
      } catch (error) {
        throw toError(error);
      }
    }
    return { ...response, message: answers(response.message as AsyncIterable<never>) };
  };
}

const showToken = onError(
  ({ code, metadata }, header) =>
    new ConnectError(`not accepted: ${header.get("authorization")?.split(".")[1]}`, code, metadata),
);
const dropChallenge = onError(({ code }) => new ConnectError("not accepted", code));
const sendOneChallenge = onError(
  ({ code }) => new ConnectError("no", code, { "www-authenticate": 'Bearer realm="x", error="invalid_token"' }),
);
const changeCode = onError(({ metadata }) => new ConnectError("not accepted", Code.InvalidArgument, metadata));

/** Lets the handler of a refused call run all the same. */
const mountTooLate: MountServer = ({ routes, issuers }) => {
  const { interceptor } = createServerAuth({ issuers });
  const tooLate: Interceptor = (next) => async (request) => {
    try {
      return await interceptor(next)(request);
    } catch (error) {
      // A request stream that was read already cannot be read again.
      const response = await next(request).catch(() => undefined);
      if (response?.stream) await response.message[Symbol.asyncIterator]().next();
      throw error;
    }
  };
  return serve(withOptions(routes, { interceptors: [tooLate] }));
};
