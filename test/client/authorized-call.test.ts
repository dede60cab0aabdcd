import { getEventListeners } from "node:events";
import { inspect } from "node:util";
import {
  type CallOptions,
  Code,
  ConnectError,
  createClient,
  createContextKey,
  createContextValues,
  createRouterTransport,
  type Interceptor,
} from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { type BearerAuthOptions, bearerAuth } from "../../src/client/bearer-auth.js";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { signedJwt } from "../../src/client/signed-jwt.js";
import { staticToken } from "../../src/client/static-token.js";
import { toConnectError } from "../../src/connect-errors.js";
import { TokenRejectedError, TokenSourceError } from "../../src/errors.js";
import { generateSigningKey } from "../../src/keys/signing-key.js";
import type { Telemetry } from "../../src/telemetry/telemetry.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import type { Token, TokenRequest, TokenSource } from "../../src/token/token.js";
import { createScriptedService } from "../support/scripted-service.js";
import { createDeferred, createScriptedSource } from "../support/scripted-source.js";

const expired = (): never => {
  throw toConnectError(new TokenRejectedError("ERR_TOKEN_EXPIRED", "old"));
};

/** A client in the same process, with interceptors around and behind the one that is tested. */
function setUp(source: TokenSource, options: BearerAuthOptions = {}, around: Interceptor[] = []) {
  const service = createScriptedService();
  const interceptors = [...around, bearerAuth(source, options)];
  const transport = createRouterTransport(service.routes, {
    transport: { interceptors, baseUrl: "https://in-memory" },
  });
  return { service, client: createClient(EchoService, transport) };
}

type Client = ReturnType<typeof setUp>["client"];

async function read(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

async function* once(): AsyncGenerator<{ text: string }> {
  yield { text: "hi" };
}

const KINDS: Readonly<Record<string, (client: Client, options?: CallOptions) => Promise<unknown>>> = {
  unary: (client, options) => client.unary({ text: "hi" }, options),
  "server stream": (client, options) => read(client.serverStream({ text: "hi", count: 2 }, options)),
  "client stream": (client, options) => client.clientStream(once(), options),
  "bidi stream": (client, options) => read(client.bidiStream(once(), options)),
};

async function codeOf(call: Promise<unknown> | undefined): Promise<Code | undefined> {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error).code;
  }
  return undefined;
}

/** The most instants that lie within 10 seconds. */
function mostWithin10s(instantsMs: readonly number[]): number {
  return Math.max(0, ...instantsMs.map((from) => instantsMs.filter((at) => at >= from && at < from + 10_000).length));
}

describe("a call with a token: refusals", () => {
  it("K9: causes two token requests per 10 s and two calls per call, however long a server refuses all", async () => {
    const clock = createManualClock();
    const source = createScriptedSource({ clock });
    const requestedAtMs: number[] = [];
    source.answer = () => {
      requestedAtMs.push(clock.monotonicMs());
      return source.nextToken();
    };
    const { service, client } = setUp(source, { clock });
    service.gate = expired;
    let calls = 0;
    for (let second = 0; second < 60; second++) {
      const codes = await Promise.all([1, 2, 3].map(() => codeOf(client.unary({}))));
      expect(codes).toEqual([1, 2, 3].map(() => Code.Unauthenticated));
      calls += codes.length;
      await clock.advance(1_000);
    }
    expect(mostWithin10s(requestedAtMs)).toBe(2);
    expect(requestedAtMs.length).toBeLessThanOrEqual(2 + 60 / 10);
    expect(service.calls.length).toBeGreaterThan(calls);
    expect(service.calls.length).toBeLessThanOrEqual(2 * calls);
  });

  it("K9: causes no more when the tokens live shorter than the time between two refreshes", async () => {
    const clock = createManualClock();
    const source = createScriptedSource({ clock, lifetimeMs: 5_000 });
    const { service, client } = setUp(source, { clock });
    service.gate = expired;
    for (let call = 0; call < 300; call++) {
      await codeOf(client.unary({}));
      await clock.advance(100);
    }
    // One per life of a token, and one per 10 s for the rejections.
    expect(source.requests.length).toBeLessThanOrEqual(30 / 2.5 + 30 / 10 + 1);
    expect(service.calls.length).toBeLessThanOrEqual(600);
  });

  it("K10: makes a call once when the only other token is the one that was refused", async () => {
    const clock = createManualClock();
    const source = createScriptedSource({ clock });
    const same = source.nextToken();
    source.answer = () => same;
    const { service, client } = setUp(source, { clock });
    service.gate = expired;
    for (let call = 0; call < 100; call++) expect(await codeOf(client.unary({}))).toBe(Code.Unauthenticated);
    expect(service.calls).toHaveLength(100);
    expect(source.requests).toHaveLength(2);
  });
});

describe("a call with a token: roll-over", () => {
  it("K5: lets a thousand calls of a roll-over end before the source has answered, with one request", async () => {
    const clock = createManualClock();
    const source = createScriptedSource({ clock });
    const { service, client } = setUp(source, { clock });
    await client.unary({});
    await clock.advance(0.8 * 3_600_000);
    const answer = createDeferred<Token>();
    source.answer = () => answer.promise;
    await Promise.all(Array.from({ length: 1_000 }, () => client.unary({})));
    expect(source.requests).toHaveLength(2);
    answer.resolve(source.nextToken());
    await clock.advance(0);
    await client.unary({});
    expect(source.requests).toHaveLength(2);
    const sent = service.calls.map(({ authorization }) => authorization);
    expect(new Set(sent.slice(0, -1))).toEqual(new Set(["Bearer token-1"]));
    expect(sent.at(-1)).toBe("Bearer token-2");
  });

  it("K5: sends no token that has expired while the source fails", async () => {
    const clock = createManualClock();
    const source = createScriptedSource({ clock, lifetimeMs: 60_000 });
    const { service, client } = setUp(source, { clock });
    await client.unary({});
    source.answer = () => Promise.reject(new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "down"));
    for (let elapsedMs = 0; elapsedMs < 60_000; elapsedMs += 5_000) {
      expect(await codeOf(client.unary({}))).toBeUndefined();
      await clock.advance(5_000);
    }
    const calls = service.calls.length;
    expect(await codeOf(client.unary({}))).toBe(Code.Unavailable);
    expect(service.calls).toHaveLength(calls);
  });
});

describe("a call with a token: deadlines", () => {
  const hanging: TokenSource = { getToken: () => new Promise(() => {}) };

  it.each(Object.keys(KINDS))("K11: ends a %s call at its deadline of 100 ms while the source hangs", async (kind) => {
    const { service, client } = setUp(hanging);
    const startedMs = performance.now();
    expect(await codeOf(KINDS[kind]?.(client, { timeoutMs: 100 }))).toBe(Code.DeadlineExceeded);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(99);
    expect(service.calls).toHaveLength(0);
  });

  it.each(Object.keys(KINDS))("K11: ends a %s call at once when its caller leaves", async (kind) => {
    const { service, client } = setUp(hanging);
    const controller = new AbortController();
    const call = codeOf(KINDS[kind]?.(client, { signal: controller.signal }));
    controller.abort();
    expect(await call).toBe(Code.Canceled);
    expect(service.calls).toHaveLength(0);
  });

  it("K11: leaves neither listener nor timer behind ten thousand calls that are aborted", {
    timeout: 60_000,
  }, async () => {
    const clock = createManualClock();
    const source = createScriptedSource({ clock });
    const answer = createDeferred<Token>();
    source.answer = () => answer.promise;
    const signals: AbortSignal[] = [];
    const note: Interceptor = (next) => (req) => {
      signals.push(req.signal);
      return next(req);
    };
    const { service, client } = setUp(source, { clock }, [note]);
    const shared = new AbortController();
    for (let batch = 0; batch < 10; batch++) {
      const own = new AbortController();
      const calls = Array.from({ length: 1_000 }, () =>
        codeOf(client.unary({}, { signal: AbortSignal.any([shared.signal, own.signal]) })),
      );
      await clock.advance(0);
      own.abort();
      expect(new Set(await Promise.all(calls))).toEqual(new Set([Code.Canceled]));
    }
    expect(signals).toHaveLength(10_000);
    expect(signals.reduce((sum, signal) => sum + getEventListeners(signal, "abort").length, 0)).toBe(0);
    expect(getEventListeners(shared.signal, "abort")).toHaveLength(0);
    // The request that they shared goes on, and only its own timer with it.
    expect(source.requests).toHaveLength(1);
    expect(getEventListeners(source.requests[0]?.signal ?? new AbortController().signal, "abort")).toHaveLength(1);
    expect(clock.pendingTimers).toBe(1);
    answer.resolve(source.nextToken());
    await client.unary({});
    expect(clock.pendingTimers).toBe(0);
    expect(getEventListeners(source.requests[0]?.signal ?? new AbortController().signal, "abort")).toHaveLength(0);
    expect(service.calls).toHaveLength(1);
  });
});

describe("a call with a token: identities", () => {
  const user = createContextKey("nobody");

  it("K14: gives each caller the token of its own context values, on all kinds of calls", async () => {
    const nameIn = ({ contextValues }: TokenRequest): string => contextValues?.get(user) ?? "";
    const requests: string[] = [];
    const source: TokenSource = {
      async getToken(request) {
        requests.push(nameIn(request));
        return { value: nameIn(request), expiresAtMs: Number.POSITIVE_INFINITY };
      },
      cacheKey: nameIn,
    };
    const seen: [string, string | null][] = [];
    const service = createScriptedService();
    const behind: Interceptor = (next) => (req) => {
      seen.push([req.contextValues.get(user), req.header.get("authorization")]);
      return next(req);
    };
    const transport = createRouterTransport(service.routes, {
      transport: { interceptors: [bearerAuth(source), behind], baseUrl: "https://in-memory" },
    });
    const client = createClient(EchoService, transport);
    const names = Array.from({ length: 25 }, (_, index) => `tenant-${index}`);
    for (let round = 0; round < 4; round++) {
      await Promise.all(
        names.flatMap((name) =>
          Object.values(KINDS).map((call) => call(client, { contextValues: createContextValues().set(user, name) })),
        ),
      );
    }
    expect(seen).toHaveLength(400);
    expect(seen.filter(([name, authorization]) => authorization !== `Bearer ${name}`)).toEqual([]);
    expect(requests.sort()).toEqual(names.sort());
  });

  it.each([
    [{ audiences: ["a"] }, "options.audiences is not an option"],
    [{ allowLoopbackHttp: "no" }, "allowLoopbackHttp must be a boolean, got string"],
    [null, "options must be an object, got null"],
  ])("I6: refuses the options %j", (options, message) => {
    expect(() => bearerAuth(staticToken("abc"), options as BearerAuthOptions)).toThrow(new TypeError(message));
  });

  it("D6: refuses a source whose tokens live for more than a day", () => {
    const source = Object.assign(createScriptedSource(), { lifetimeMs: 86_400_001 });
    expect(() => bearerAuth(source)).toThrow(RangeError);
  });
});

describe("a call with a token: secrets", () => {
  it("L1: shows no part of a token or key in errors, events, telemetry or anything that can be inspected", async () => {
    const clock = createManualClock();
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    const shown: unknown[] = [];
    const telemetry: Telemetry = {
      count: (...told) => void shown.push(told),
      record: (...told) => void shown.push(told),
      startSpan(...begun) {
        shown.push(begun);
        return { end: (...ended) => void shown.push(ended) };
      },
    };
    const logging: Interceptor = (next) => async (req) => {
      try {
        const res = await next(req);
        shown.push([...req.header], [...res.header]);
        return res;
      } catch (error) {
        shown.push([...req.header], error);
        throw error;
      }
    };
    const { key } = await generateSigningKey();
    const signed = signedJwt({ key, issuer: "jobs-cli", claims: { org: "acme" }, clock });
    const values: string[] = [];
    const tokens = cachedTokens(
      {
        async getToken(request) {
          const token = await signed.getToken(request);
          values.push(token.value);
          if (values.length === 3) throw new TokenSourceError("ERR_TOKEN_SOURCE_REFUSED", "no");
          return token;
        },
      },
      { clock, telemetry, onEvent: (event) => void shown.push(event) },
    );
    const { service, client } = setUp(tokens, { clock, telemetry }, [logging]);
    const useAll = async (): Promise<void> => {
      for (const call of Object.values(KINDS)) await call(client).catch((error: unknown) => void shown.push(error));
    };
    await useAll();
    service.gate = expired;
    await useAll();
    await clock.advance(60_000);
    await useAll();
    service.gate = () => {};
    await clock.advance(3_600_000);
    await useAll();
    tokens[Symbol.dispose]();
    await useAll();
    shown.push(tokens, bearerAuth(tokens), key, signed, staticToken("static-secret-value"));
    await clock.advance(0);
    process.off("unhandledRejection", note);

    const texts = [
      ...shown.map((value) => inspect(value, { depth: 10, showHidden: true, maxStringLength: null })),
      ...shown.map((value) => (value instanceof Error ? value.stack : JSON.stringify(value))),
    ].join("\n");
    expect(values.length).toBeGreaterThanOrEqual(4);
    // Each value has been sent or was at hand, and its claims and signature are what must not be seen.
    const secrets = values.flatMap((value) => value.split(".").slice(1));
    expect(secrets.filter((secret) => texts.includes(secret))).toEqual([]);
    expect(texts).not.toMatch(/Bearer ey|static-secret-value|"d":|PRIVATE KEY/);
    expect(texts).toContain("token_length");
    expect(texts).toContain("ERR_TOKEN_SOURCE_REFUSED");
    expect(unhandled).toEqual([]);
  });
});
