import { getEventListeners } from "node:events";
import { Code, ConnectError, createClient, createRouterTransport, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { type BearerAuthOptions, bearerAuth } from "../../src/client/bearer-auth.js";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { signedJwt } from "../../src/client/signed-jwt.js";
import { staticToken } from "../../src/client/static-token.js";
import { toConnectError } from "../../src/connect-errors.js";
import { AccessDeniedError, KeysUnavailableError, TokenRejectedError, TokenSourceError } from "../../src/errors.js";
import { generateSigningKey } from "../../src/keys/signing-key.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import type { Token, TokenSource } from "../../src/token/token.js";
import {
  createScriptedService,
  type ListeningService,
  listen,
  type ScriptedService,
} from "../support/scripted-service.js";
import { createDeferred, createScriptedSource } from "../support/scripted-source.js";

const expired = (): never => {
  throw toConnectError(new TokenRejectedError("ERR_TOKEN_EXPIRED", "old"));
};
const denied = (): never => {
  throw toConnectError(new AccessDeniedError("ERR_ROLE_MISSING", "no"));
};
const unavailable = new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "down");

/** A client in the same process, at `baseUrl` as far as the interceptor can see. */
function clientOf(service: ScriptedService, interceptors: Interceptor[], baseUrl = "https://in-memory") {
  return createClient(EchoService, createRouterTransport(service.routes, { transport: { interceptors, baseUrl } }));
}

function setUp(source: TokenSource = createScriptedSource(), options: BearerAuthOptions = {}) {
  const service = createScriptedService();
  return { service, client: clientOf(service, [bearerAuth(source, options)]) };
}

type Client = ReturnType<typeof clientOf>;

async function* messages(...texts: string[]): AsyncGenerator<{ text: string }> {
  for (const text of texts) yield { text };
}

async function collect(stream: AsyncIterable<{ text: string }>): Promise<string[]> {
  const texts: string[] = [];
  for await (const { text } of stream) texts.push(text);
  return texts;
}

const KINDS: Readonly<Record<string, (client: Client) => Promise<unknown>>> = {
  unary: async (client) => (await client.unary({ text: "hi" })).text,
  "server stream": (client) => collect(client.serverStream({ text: "hi", count: 2 })),
  "client stream": async (client) => (await client.clientStream(messages("hi", "there"))).count,
  "bidi stream": (client) => collect(client.bidiStream(messages("hi", "there"))),
};

const codeOf = async (call: Promise<unknown>): Promise<Code | undefined> => {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error).code;
  }
  return undefined;
};

const sent = (service: ScriptedService): (string | null)[] => service.calls.map(({ authorization }) => authorization);

/** Refuses the tokens named, as an expired one is. */
const rejecting = (...values: string[]): ScriptedService["gate"] => {
  const refused = new Set(values.map((value) => `Bearer ${value}`));
  return ({ authorization }) => (authorization !== null && refused.has(authorization) ? expired() : undefined);
};

describe("bearerAuth()", () => {
  it.each(Object.keys(KINDS))("sends the token with a %s call", async (kind) => {
    const { service, client } = setUp(staticToken("abc"));
    await KINDS[kind]?.(client);
    expect(sent(service)).toEqual(["Bearer abc"]);
  });

  it("asks for the origin of the call, or for the audience it was told", async () => {
    const byOrigin = createScriptedSource();
    await setUp(byOrigin).client.unary({});
    expect(byOrigin.requests).toMatchObject([{ audience: "https://in-memory", origin: "https://in-memory" }]);
    const byName = createScriptedSource();
    await setUp(byName, { audience: "jobs" }).client.unary({});
    expect(byName.requests).toMatchObject([{ audience: "jobs", origin: "https://in-memory" }]);
  });

  it("K4: makes one token request for a thousand calls at once, and the first call's abort harms no other", async () => {
    const source = createScriptedSource();
    const answer = createDeferred<Token>();
    source.answer = () => answer.promise;
    const { client } = setUp(source);
    const controller = new AbortController();
    const first = codeOf(client.unary({}, { signal: controller.signal }));
    const others = Array.from({ length: 999 }, () => client.unary({ text: "hi" }));
    controller.abort();
    expect(await first).toBe(Code.Canceled);
    answer.resolve(source.nextToken());
    await Promise.all(others);
    expect(source.requests).toHaveLength(1);
  });

  it("K5: takes no token of its own for the caller's when another interceptor makes the call again", async () => {
    const clock = createManualClock();
    const service = createScriptedService();
    service.gate = () => {
      if (service.calls.length === 1) throw new ConnectError("busy", Code.Unavailable);
    };
    const again: Interceptor = (next) => async (req) => {
      try {
        return await next(req);
      } catch {
        await clock.advance(60_000);
        return next(req);
      }
    };
    const source = createScriptedSource({ clock, lifetimeMs: 60_000 });
    await clientOf(service, [again, bearerAuth(source, { clock })]).unary({});
    expect(sent(service)).toEqual(["Bearer token-1", "Bearer token-2"]);
  });

  it("shares the cache it is given with whoever else uses it", async () => {
    const tokens = cachedTokens(createScriptedSource());
    const one = setUp(tokens);
    const other = setUp(tokens);
    await other.client.unary({});
    one.service.gate = rejecting("token-1");
    await one.client.unary({});
    await other.client.unary({});
    expect(sent(other.service)).toEqual(["Bearer token-1", "Bearer token-2"]);
  });

  it("uses the cache it is given", async () => {
    const source = createScriptedSource();
    const tokens = cachedTokens(source);
    await tokens.warm("https://in-memory");
    const { service, client } = setUp(tokens);
    await client.unary({});
    expect(sent(service)).toEqual(["Bearer token-1"]);
    expect(source.requests).toHaveLength(1);
  });

  it("K14: keeps a hundred identities apart that call through one process", async () => {
    const service = createScriptedService();
    service.gate = () => Promise.resolve();
    const tenants = Array.from({ length: 100 }, (_, index) => `tenant-${index}`);
    const clients = tenants.map((tenant) => clientOf(service, [bearerAuth(staticToken(tenant))]));
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(clients.map((client) => client.unary({})));
      expect(answers.map(({ subject }) => subject)).toEqual(tenants.map((tenant) => `Bearer ${tenant}`));
    }
  });
});

describe("bearerAuth(): where tokens go", () => {
  it("K2: sends a token to the origin of its first call alone", async () => {
    const service = createScriptedService();
    const auth = bearerAuth(staticToken("abc"));
    await clientOf(service, [auth], "https://jobs.example").unary({});
    await clientOf(service, [auth], "https://evil.example").unary({});
    await clientOf(service, [auth], "https://jobs.example:8443").unary({});
    await clientOf(service, [auth], "https://jobs.example:443/").unary({});
    expect(sent(service)).toEqual(["Bearer abc", null, null, "Bearer abc"]);
  });

  it("K2: gives each origin a token of its own when the source makes them per audience", async () => {
    const service = createScriptedService();
    const source = createScriptedSource({ audienceBound: true });
    const auth = bearerAuth(source);
    for (const origin of ["https://a.example", "https://b.example", "https://a.example"]) {
      await clientOf(service, [auth], origin).unary({});
    }
    expect(sent(service)).toEqual(["Bearer token-1", "Bearer token-2", "Bearer token-1"]);
    expect(source.requests.map(({ audience }) => audience)).toEqual(["https://a.example", "https://b.example"]);
  });

  it("K2: binds even such a source to the first origin when the audience is fixed", async () => {
    const service = createScriptedService();
    const auth = bearerAuth(createScriptedSource({ audienceBound: true }), { audience: "jobs" });
    await clientOf(service, [auth], "https://a.example").unary({});
    await clientOf(service, [auth], "https://b.example").unary({});
    expect(sent(service)).toEqual(["Bearer token-1", null]);
  });

  it("K2: sends tokens to the origins named and nowhere else", async () => {
    const service = createScriptedService();
    const auth = bearerAuth(staticToken("abc"), { origins: ["https://a.example", "https://b.example"] });
    for (const origin of ["https://evil.example", "https://a.example", "https://b.example", "http://a.example"]) {
      await clientOf(service, [auth], origin).unary({});
    }
    expect(sent(service)).toEqual([null, "Bearer abc", "Bearer abc", null]);
  });

  it("K2: leaves an authorization header of the caller as it is, and obtains no token", async () => {
    const source = createScriptedSource();
    const { service, client } = setUp(source);
    service.gate = expired;
    const headers = { authorization: "Bearer own" };
    expect(await codeOf(client.unary({}, { headers }))).toBe(Code.Unauthenticated);
    expect(sent(service)).toEqual(["Bearer own"]);
    expect(source.requests).toHaveLength(0);
  });

  it("K3: refuses plain http to another machine before anything is sent or obtained", async () => {
    const service = createScriptedService();
    const source = createScriptedSource({ audienceBound: true });
    for (const kind of Object.values(KINDS)) {
      const client = clientOf(service, [bearerAuth(source)], "http://jobs.example");
      expect(await codeOf(kind(client))).toBe(Code.FailedPrecondition);
    }
    expect(service.calls).toHaveLength(0);
    expect(source.requests).toHaveLength(0);
  });

  it("K3: sends over http to this machine unless told otherwise", async () => {
    const service = createScriptedService();
    await clientOf(service, [bearerAuth(staticToken("abc"))], "http://localhost:8080").unary({});
    const strict = bearerAuth(staticToken("abc"), { allowLoopbackHttp: false });
    expect(await codeOf(clientOf(service, [strict], "http://localhost:8080").unary({}))).toBe(Code.FailedPrecondition);
    expect(sent(service)).toEqual(["Bearer abc"]);
  });

  it("I6: refuses an empty audience and impossible origins", () => {
    expect(() => bearerAuth(staticToken("abc"), { audience: "" })).toThrow("audience must not be empty");
    expect(() => bearerAuth(staticToken("abc"), { origins: [] })).toThrow("origins must not be empty");
    expect(() => bearerAuth({} as TokenSource)).toThrow("source must be a token source");
  });

  it("refuses what makes no proofs, and a header that proofs are sent in", () => {
    for (const dpop of [null, {}, "key"]) {
      const options = { dpop } as unknown as BearerAuthOptions;
      expect(() => bearerAuth(staticToken("abc"), options)).toThrow("dpop.interceptor must be a function");
    }
    expect(() => bearerAuth(staticToken("abc"), { headers: { DPoP: "x" } })).toThrow('headers must not have "dpop"');
  });
});

describe("bearerAuth(): refusals", () => {
  it.each(["unary", "server stream"])("K9: repeats a %s call once with another token", async (kind) => {
    const source = createScriptedSource();
    const { service, client } = setUp(source);
    service.gate = rejecting("token-1");
    await KINDS[kind]?.(client);
    expect(sent(service)).toEqual(["Bearer token-1", "Bearer token-2"]);
    expect(source.requests[1]?.rejected).toBe("token-1");
    expect(service.handled).toEqual(["hi"]);
  });

  it.each(["client stream", "bidi stream"])(
    "K9: never repeats a %s call, but the next has another token",
    async (kind) => {
      const source = createScriptedSource();
      const { service, client } = setUp(source);
      service.gate = rejecting("token-1");
      const call = KINDS[kind] ?? (() => Promise.resolve());
      expect(await codeOf(call(client))).toBe(Code.Unauthenticated);
      expect(sent(service)).toEqual(["Bearer token-1"]);
      await call(client);
      expect(sent(service)).toEqual(["Bearer token-1", "Bearer token-2"]);
    },
  );

  it.each(Object.keys(KINDS))("K9: gives the second refusal of a %s call to the caller", async (kind) => {
    const { service, client } = setUp();
    service.gate = expired;
    const call = KINDS[kind] ?? (() => Promise.resolve());
    expect(await codeOf(call(client))).toBe(Code.Unauthenticated);
    expect(service.calls).toHaveLength(kind === "unary" || kind === "server stream" ? 2 : 1);
    expect(service.handled).toEqual([]);
  });

  it("K9: makes at most two token requests and two hundred calls for a hundred that are always refused", async () => {
    const source = createScriptedSource();
    const { service, client } = setUp(source);
    service.gate = expired;
    for (let round = 0; round < 10; round++) {
      const codes = await Promise.all(Array.from({ length: 10 }, () => codeOf(client.unary({}))));
      expect(new Set(codes)).toEqual(new Set([Code.Unauthenticated]));
    }
    expect(source.requests.length).toBeLessThanOrEqual(2);
    expect(service.calls.length).toBeLessThanOrEqual(200);
  });

  it("K9: causes one refresh for fifty calls that are refused at the same time", async () => {
    const source = createScriptedSource();
    const { service, client } = setUp(source);
    await client.unary({});
    service.gate = rejecting("token-1");
    await Promise.all(Array.from({ length: 50 }, () => client.unary({})));
    expect(source.requests).toHaveLength(2);
  });

  it.each<[string, number, (client: Client) => Promise<unknown>]>([
    ["does not repeat a unary call", 1, (client) => client.unary({ text: "hi" })],
    ["does not repeat a server stream", 1, (client) => collect(client.serverStream({ text: "hi" }))],
    ["repeats a call of an idempotent method", 2, (client) => client.get({ text: "hi" })],
  ])("K9: %s that may have been handled", async (_, times, call) => {
    const { service, client } = setUp();
    service.handle = () => {
      throw new ConnectError("upstream", Code.Unauthenticated);
    };
    expect(await codeOf(call(client))).toBe(Code.Unauthenticated);
    expect(service.handled).toEqual(Array(times).fill("hi"));
  });

  it.each(Object.keys(KINDS))("K9: handles a refusal in place of the response of a %s call", async (kind) => {
    const service = createScriptedService();
    const tokensSent: (string | null)[] = [];
    const refusing: Interceptor = (next) => async (req) => {
      tokensSent.push(req.header.get("authorization"));
      return tokensSent.length === 1 ? expired() : next(req);
    };
    const client = clientOf(service, [bearerAuth(createScriptedSource()), refusing]);
    const call = KINDS[kind] ?? (() => Promise.resolve());
    const repeats = kind === "unary" || kind === "server stream";
    expect(await codeOf(call(client))).toBe(repeats ? undefined : Code.Unauthenticated);
    expect(tokensSent).toHaveLength(repeats ? 2 : 1);
    await call(client);
    expect(tokensSent.at(-1)).toBe("Bearer token-2");
  });

  it.each(["unary", "server stream"])(
    "K9: remembers that the second token of a %s call was refused, too",
    async (kind) => {
      const clock = createManualClock();
      const { service, client } = setUp(createScriptedSource({ clock }), { clock });
      service.gate = rejecting("token-1", "token-2");
      const call = KINDS[kind] ?? (() => Promise.resolve());
      expect(await codeOf(call(client))).toBe(Code.Unauthenticated);
      await clock.advance(10_000);
      await call(client);
      expect(sent(service)).toEqual(["Bearer token-1", "Bearer token-2", "Bearer token-3"]);
    },
  );

  it("K9: does not repeat a stream that has answered, but the next call has another token", async () => {
    const { service, client } = setUp();
    service.afterMessage = expired;
    const texts: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { text } of client.serverStream({ text: "hi", count: 2 })) texts.push(text);
    };
    expect(await codeOf(read())).toBe(Code.Unauthenticated);
    expect(texts).toEqual(["hi"]);
    expect(service.handled).toEqual(["hi"]);
    await client.unary({});
    expect(sent(service)).toEqual(["Bearer token-1", "Bearer token-2"]);
  });

  it("K9: does not repeat a stream that was ended at the expiry of its token before it answered", async () => {
    const clock = createManualClock();
    const { service, client } = setUp(createScriptedSource({ clock, lifetimeMs: 60_000 }), { clock });
    service.handle = async () => {
      await clock.advance(60_000);
      expired();
    };
    expect(await codeOf(collect(client.serverStream({ text: "once" })))).toBe(Code.Unauthenticated);
    expect(service.handled).toEqual(["once"]);
  });

  it.each([
    [
      "the challenge says that the request is malformed",
      () => {
        throw toConnectError(new TokenRejectedError("ERR_CREDENTIALS_MALFORMED", "bad"));
      },
    ],
    [
      "the answer is unavailable",
      () => {
        throw toConnectError(new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", "down"));
      },
    ],
    ["F5: the answer is permission_denied", denied],
  ] as const)("K9: neither repeats nor refreshes when %s", async (_, gate) => {
    const source = createScriptedSource();
    const { service, client } = setUp(source);
    service.gate = gate;
    for (const kind of Object.values(KINDS)) expect(await codeOf(kind(client))).toBeDefined();
    expect(await codeOf(client.get({}))).toBeDefined();
    expect(service.calls).toHaveLength(5);
    expect(source.requests).toHaveLength(1);
  });

  it("F5: passes permission_denied on as it is", async () => {
    const { service, client } = setUp();
    service.gate = denied;
    await expect(client.unary({})).rejects.toMatchObject({ code: Code.PermissionDenied });
  });

  it("K10: does not repeat a call when the source gives the same token again", async () => {
    const source = createScriptedSource();
    const same = source.nextToken();
    source.answer = () => same;
    const { service, client } = setUp(source);
    service.gate = expired;
    expect(await codeOf(client.unary({}))).toBe(Code.Unauthenticated);
    expect(await codeOf(collect(client.serverStream({})))).toBe(Code.Unauthenticated);
    expect(service.calls).toHaveLength(2);
  });

  it("gives the refusal to the caller when no other token can be had", async () => {
    const source = createScriptedSource();
    const { service, client } = setUp(source);
    await client.unary({});
    source.answer = () => Promise.reject(unavailable);
    service.gate = expired;
    expect(await codeOf(client.unary({}))).toBe(Code.Unauthenticated);
    expect(service.calls).toHaveLength(2);
  });

  it("keeps headers and trailers of the answer that counts", async () => {
    const { service, client } = setUp();
    service.gate = rejecting("token-1");
    const seen: Headers[] = [];
    await collect(
      client.serverStream(
        { text: "hi", count: 1 },
        { onHeader: (header) => void seen.push(header), onTrailer: (trailer) => void seen.push(trailer) },
      ),
    );
    expect(seen[0]?.get("x-opened-by")).toBe("hi");
    expect(seen[1]?.get("x-closed-by")).toBe("hi");
  });

  it("counts repeated calls", async () => {
    const counted: string[] = [];
    const telemetry = { count: (name: string) => void counted.push(name), record: () => {} };
    const { service, client } = setUp(createScriptedSource(), { telemetry });
    service.gate = rejecting("token-1");
    await client.unary({});
    expect(counted.filter((name) => name === "latchkey.client.call_retries")).toHaveLength(1);
  });
});

describe("bearerAuth(): deadlines and failures", () => {
  const hanging = (): TokenSource => {
    const source = createScriptedSource();
    source.answer = () => new Promise(() => {});
    return source;
  };

  it.each(Object.keys(KINDS))("K11: counts the wait for a token against the deadline of a %s call", async (kind) => {
    const { service } = setUp();
    const transport = createRouterTransport(service.routes, {
      transport: { interceptors: [bearerAuth(hanging())], defaultTimeoutMs: 50 },
    });
    const startedMs = performance.now();
    expect(await codeOf(KINDS[kind]?.(createClient(EchoService, transport)) ?? Promise.resolve())).toBe(
      Code.DeadlineExceeded,
    );
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    expect(service.calls).toHaveLength(0);
  });

  it("K11: counts the wait for the second token against the deadline", async () => {
    const source = createScriptedSource();
    const { service, client } = setUp(source);
    await client.unary({});
    source.answer = () => new Promise(() => {});
    service.gate = expired;
    expect(await codeOf(client.unary({}, { timeoutMs: 50 }))).toBe(Code.DeadlineExceeded);
    expect(await codeOf(collect(client.serverStream({}, { timeoutMs: 50 })))).toBe(Code.DeadlineExceeded);
  });

  it("K11: throws what the caller expects to an interceptor outside, too", async () => {
    const seen: unknown[] = [];
    const outside: Interceptor = (next) => async (req) => {
      try {
        return await next(req);
      } catch (error) {
        seen.push(error);
        throw error;
      }
    };
    const service = createScriptedService();
    const client = clientOf(service, [outside, bearerAuth(hanging())]);
    await codeOf(client.unary({}, { timeoutMs: 20 }));
    await codeOf(client.unary({}, { signal: AbortSignal.abort() }));
    await codeOf(client.unary({}, { signal: AbortSignal.timeout(20) }));
    const source = createScriptedSource();
    const refused = clientOf(service, [outside, bearerAuth(source)]);
    await refused.unary({});
    source.answer = () => new Promise(() => {});
    service.gate = expired;
    await codeOf(refused.unary({}, { timeoutMs: 20 }));
    expect(seen.map((error) => error instanceof ConnectError && error.code)).toEqual([
      Code.DeadlineExceeded,
      Code.Canceled,
      Code.Canceled,
      Code.DeadlineExceeded,
    ]);
  });

  it("K11: leaves no listener on a signal shared by many calls", async () => {
    const { client } = setUp();
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 100 }, () => client.unary({}, { signal })));
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it.each([
    [unavailable, Code.Unavailable],
    [new TokenSourceError("ERR_TOKEN_SOURCE_REFUSED", "no"), Code.Unauthenticated],
    [new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", "odd"), Code.Internal],
    [new TypeError("fetch failed: secret-value"), Code.Unavailable],
  ])("K7: fails with the code of the table when the source fails: %s", async (failure, code) => {
    const source = createScriptedSource();
    source.answer = () => Promise.reject(failure);
    const { service, client } = setUp(source);
    const error = await client.unary({}).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect(String(error)).not.toContain("secret-value");
    expect((error as ConnectError).cause).toBeInstanceOf(TokenSourceError);
    expect(service.calls).toHaveLength(0);
  });
});

describe.each([
  ["Connect", createConnectTransport],
  ["gRPC", createGrpcTransport],
  ["gRPC-Web", createGrpcWebTransport],
] as const)("bearerAuth() over HTTP/2 with %s", (_, createTransport) => {
  const service = createScriptedService();
  let listening: ListeningService;
  beforeAll(async () => {
    listening = await listen(service);
  });
  afterAll(() => listening[Symbol.asyncDispose]());

  const connect = async (source: TokenSource): Promise<Client> => {
    service.calls.length = 0;
    service.handled.length = 0;
    service.gate = () => {};
    const interceptors = [bearerAuth(source)];
    // createGrpcTransport speaks HTTP/2 alone and has no such option.
    const options = { baseUrl: listening.origin, httpVersion: "2", interceptors } as const;
    return createClient(EchoService, createTransport(options));
  };

  it.each(Object.keys(KINDS))("sends a self-signed token with a %s call", async (kind) => {
    const { key } = await generateSigningKey();
    const client = await connect(signedJwt({ key, issuer: "jobs-cli" }));
    await KINDS[kind]?.(client);
    expect(sent(service)).toEqual([expect.stringMatching(/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/)]);
  });

  it.each(["unary", "server stream"])("K9: repeats a refused %s call once", async (kind) => {
    const client = await connect(createScriptedSource());
    service.gate = rejecting("token-1");
    await KINDS[kind]?.(client);
    expect(sent(service)).toEqual(["Bearer token-1", "Bearer token-2"]);
    expect(service.handled).toEqual(["hi"]);
  });

  it.each(["client stream", "bidi stream"])("K9: does not repeat a refused %s call", async (kind) => {
    const client = await connect(createScriptedSource());
    service.gate = rejecting("token-1");
    const call = KINDS[kind] ?? (() => Promise.resolve());
    expect(await codeOf(call(client))).toBe(Code.Unauthenticated);
    await call(client);
    expect(sent(service)).toEqual(["Bearer token-1", "Bearer token-2"]);
  });

  it("F5: does not refresh on permission_denied", async () => {
    const source = createScriptedSource();
    const client = await connect(source);
    service.gate = denied;
    for (const kind of Object.values(KINDS)) expect(await codeOf(kind(client))).toBe(Code.PermissionDenied);
    expect(source.requests).toHaveLength(1);
    expect(service.calls).toHaveLength(4);
  });

  it("K11: gives up at the deadline while the source hangs", async () => {
    const client = await connect({ getToken: () => new Promise(() => {}) });
    expect(await codeOf(client.unary({}, { timeoutMs: 50 }))).toBe(Code.DeadlineExceeded);
    expect(service.calls).toHaveLength(0);
  });
});
