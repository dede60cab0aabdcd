import { inspect } from "node:util";
import { type ContextKey, createContextKey, createContextValues } from "@connectrpc/connect";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import type { CachedTokensOptions } from "../../src/client/cached-tokens-options.js";
import type { TokenEvent } from "../../src/client/token-event.js";
import { TokenSourceError } from "../../src/errors.js";
import type { Labels, Telemetry } from "../../src/telemetry/telemetry.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import type { Token, TokenRequest, TokenSource } from "../../src/token/token.js";
import { createDeferred, createScriptedSource, type ScriptedSourceOptions } from "../support/scripted-source.js";

const HOUR = 3_600_000;

function setUp(options: CachedTokensOptions = {}, sourceOptions: ScriptedSourceOptions = {}) {
  const clock = createManualClock();
  const source = createScriptedSource({ clock, ...sourceOptions });
  const events: TokenEvent[] = [];
  const tokens = cachedTokens(source, { clock, onEvent: (event) => void events.push(event), ...options });
  const get = async (request: Partial<TokenRequest> = {}): Promise<string> => {
    const { signal } = new AbortController();
    return (await tokens.getToken({ audience: "jobs", origin: "https://jobs.example", signal, ...request })).value;
  };
  return { clock, source, tokens, events, get };
}

const fail =
  (retryAfterMs?: number): (() => Promise<Token>) =>
  () =>
    Promise.reject(
      new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "down", retryAfterMs === undefined ? {} : { retryAfterMs }),
    );

describe("createTokenRefresher(): backoff", () => {
  it("K8: leaves the source alone for as long as it asks, and serves the valid token meanwhile", async () => {
    const { clock, source, get } = setUp();
    await get();
    await clock.advance(0.8 * HOUR);
    source.answer = fail(120_000);
    await get();
    await clock.advance(0);
    await clock.advance(119_999);
    expect(await get()).toBe("token-1");
    expect(source.requests).toHaveLength(2);
    source.answer = undefined;
    await clock.advance(1);
    await get();
    await clock.advance(0);
    expect(await get()).toBe("token-2");
    expect(source.requests).toHaveLength(3);
  });

  it("K8: gives callers without a token the source's error, with how long to wait, and asks no more", async () => {
    const { clock, source, get } = setUp();
    source.answer = fail(120_000);
    for (let call = 0; call < 10; call++) await expect(get()).rejects.toMatchObject({ retryAfterMs: 120_000 });
    await clock.advance(119_999);
    await expect(get()).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_UNAVAILABLE" });
    expect(source.requests).toHaveLength(1);
    source.answer = undefined;
    await clock.advance(1);
    expect(await get()).toBe("token-1");
  });

  it("K8: keeps to it also when the token is rejected", async () => {
    const { clock, source, get } = setUp();
    await get();
    source.answer = fail(120_000);
    expect(await get({ rejected: "token-1" })).toBe("token-1");
    await clock.advance(119_999);
    expect(await get({ rejected: "token-1" })).toBe("token-1");
    expect(source.requests).toHaveLength(2);
  });

  it.each([1, 50, 999])("K6: gives a token of %d ms to who waits for it, and is no hot loop after that", async (ms) => {
    const { clock, source, get } = setUp({}, { lifetimeMs: ms });
    expect(new Set(await Promise.all([get(), get(), get()]))).toEqual(new Set(["token-1"]));
    let given = 1;
    for (let elapsedMs = 0; elapsedMs < 5_000; elapsedMs += 10) {
      await clock.advance(10);
      const before = source.requests.length;
      await get().catch((error: unknown) => expect(error).toMatchObject({ code: "ERR_TOKEN_SOURCE_UNAVAILABLE" }));
      given += source.requests.length - before;
    }
    expect(source.requests).toHaveLength(given);
    // At the start, after 0.5 to 1 s, after 1 to 2 s more, and perhaps after 2 to 4 s more.
    expect(given).toBeGreaterThanOrEqual(2);
    expect(given).toBeLessThanOrEqual(4);
  });

  it("K6: asks at most once per second for tokens of a second", async () => {
    const { clock, source, get } = setUp({}, { lifetimeMs: 1_000 });
    for (let elapsedMs = 0; elapsedMs < 10_000; elapsedMs += 50) {
      await get();
      await clock.advance(50);
    }
    expect(source.requests).toHaveLength(10);
  });
});

describe("createTokenRefresher(): what the source is told", () => {
  const user: ContextKey<string> = createContextKey("nobody");

  it("K14: keeps a hundred callers apart whom one source tells apart by the values of their calls", async () => {
    const clock = createManualClock();
    const inner = createScriptedSource({ clock });
    const nameIn = ({ contextValues }: TokenRequest): string => contextValues?.get(user) ?? "";
    inner.answer = async (request) => ({ ...inner.nextToken(), value: nameIn(request) });
    const tokens = cachedTokens({ getToken: inner.getToken, cacheKey: nameIn }, { clock });
    const { signal } = new AbortController();
    let swaps = 0;
    for (let round = 0; round < 100; round++) {
      const names = Array.from({ length: 100 }, (_, index) => `tenant-${(index * 37 + round) % 100}`);
      const values = await Promise.all(
        names.map((name) => {
          const contextValues = createContextValues().set(user, name);
          return tokens.getToken({ audience: "same", origin: "https://same.example", contextValues, signal });
        }),
      );
      for (const [index, { value }] of values.entries()) if (value !== names[index]) swaps++;
    }
    expect(swaps).toBe(0);
    expect(inner.requests).toHaveLength(100);
  });

  it("K14: fails a source without a cache key that reads what a call carries: its token serves all callers", async () => {
    const { source, get } = setUp();
    await get({ contextValues: createContextValues().set(user, "alice") });
    expect(() => source.requests[0]?.contextValues?.get(user)).toThrow(/needs a cacheKey/);
  });

  it("passes the values on when told to warm up", async () => {
    const source = Object.assign(createScriptedSource(), {
      cacheKey: ({ contextValues }: TokenRequest) => contextValues?.get(user) ?? "",
    });
    const tokens = cachedTokens(source);
    await tokens.warm("https://jobs.example", { contextValues: createContextValues().set(user, "alice") });
    expect(source.requests[0]?.contextValues?.get(user)).toBe("alice");
    expect(source.requests[0]?.audience).toBe("https://jobs.example");
  });

  it.each([
    ["gives undefined", () => undefined, "ERR_TOKEN_SOURCE_INVALID"],
    ["gives an object", () => ({}), "ERR_TOKEN_SOURCE_INVALID"],
    [
      "throws",
      () => {
        throw new Error("secret-value");
      },
      "ERR_TOKEN_SOURCE_UNAVAILABLE",
    ],
  ])("K14: asks a source whose cache key %s for nothing", async (_, cacheKey, code) => {
    const source = Object.assign(createScriptedSource(), { cacheKey: cacheKey as () => string });
    const tokens = cachedTokens(source);
    const request = { audience: "a", origin: "https://a.example", signal: new AbortController().signal };
    const error = await tokens.getToken(request).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect(String(error)).not.toContain("secret-value");
    expect(source.requests).toHaveLength(0);
  });

  it("sends no second request for a key that made room for others while its own is under way", async () => {
    const { source, events, get } = setUp({ maxEntries: 1 });
    const answer = createDeferred<Token>();
    source.answer = ({ audience }) => (audience === "slow" ? answer.promise : source.nextToken());
    const first = get({ audience: "slow" });
    await get({ audience: "other" });
    const second = get({ audience: "slow" });
    answer.resolve({ ...source.nextToken(), value: "slow-token" });
    expect(await Promise.all([first, second])).toEqual(["slow-token", "slow-token"]);
    expect(await get({ audience: "slow" })).toBe("slow-token");
    expect(source.requests.map(({ audience }) => audience)).toEqual(["slow", "other"]);
    expect(events.filter(({ type }) => type === "evicted")).toEqual([
      { type: "evicted", audience: "slow" },
      { type: "evicted", audience: "other" },
    ]);
  });
});

describe("createTokenRefresher(): events", () => {
  it("tells of refreshes, failures, rejections and evictions, in order", async () => {
    const { clock, source, tokens, events, get } = setUp({ maxEntries: 1 });
    const startMs = clock.nowMs();
    await get();
    await clock.advance(0.8 * HOUR);
    await get();
    await clock.advance(0);
    tokens.invalidate("token-2");
    tokens.invalidate("token-2");
    source.answer = fail(60_000);
    await get({ rejected: "token-2" });
    source.answer = undefined;
    await get({ audience: "other" });
    const audience = "jobs";
    const tokenLength = "token-1".length;
    expect(events).toEqual([
      { type: "refreshed", audience, occasion: "needed", tokenLength, expiresAtMs: startMs + HOUR },
      { type: "refreshed", audience, occasion: "background", tokenLength, expiresAtMs: startMs + 1.8 * HOUR },
      { type: "rejected", audience },
      {
        type: "refresh_failed",
        audience,
        occasion: "rejected",
        code: "ERR_TOKEN_SOURCE_UNAVAILABLE",
        consecutiveFailures: 1,
        retryInMs: 60_000,
      },
      { type: "evicted", audience },
      { type: "refreshed", audience: "other", occasion: "needed", tokenLength, expiresAtMs: startMs + 1.8 * HOUR },
    ]);
  });

  it("drops what a listener throws, at once or later", async () => {
    for (const onEvent of [
      () => {
        throw new Error("broken");
      },
      () => Promise.reject(new Error("broken")),
    ]) {
      const { source, tokens, get } = setUp({ onEvent, maxEntries: 1 });
      expect(await get()).toBe("token-1");
      tokens.invalidate("token-1");
      source.answer = fail();
      expect(await get()).toBe("token-1");
    }
  });

  it("lets a listener use the cache, and dispose it", async () => {
    const seen: string[] = [];
    const { tokens, get } = setUp({
      onEvent({ type }) {
        seen.push(type);
        if (type === "refreshed") tokens.invalidate("token-1");
        else tokens[Symbol.dispose]();
      },
    });
    expect(await get()).toBe("token-1");
    expect(seen).toEqual(["refreshed", "rejected"]);
    await expect(get()).rejects.toThrow("The token cache was disposed");
  });
});

/** Telemetry that keeps what it is told. */
function createRecord(): Telemetry & { readonly told: unknown[] } {
  const told: unknown[] = [];
  return {
    told,
    count: (name: string, labels?: Labels) => void told.push({ name, labels }),
    record: (name: string, _value: number, labels?: Labels) => void told.push({ name, labels }),
    startSpan(name, labels) {
      told.push({ span: name, labels });
      return { end: (outcome, results) => void told.push({ end: name, outcome, results }) };
    },
  };
}

describe("createTokenRefresher(): telemetry", () => {
  it("has a span for each request to the source, with the length of the token", async () => {
    const telemetry = createRecord();
    const { source, get } = setUp({ telemetry });
    await get();
    source.answer = fail();
    await get({ rejected: "token-1" });
    const spans = telemetry.told.filter((told) => !Object.hasOwn(told as object, "name"));
    const name = "latchkey.client.token_refresh";
    expect(spans).toEqual([
      { span: name, labels: { occasion: "needed" } },
      { end: name, outcome: "ok", results: { token_length: "7" } },
      { span: name, labels: { occasion: "rejected" } },
      { end: name, outcome: "ERR_TOKEN_SOURCE_UNAVAILABLE", results: undefined },
    ]);
  });

  it("ends the span of a request that is given up", async () => {
    const telemetry = createRecord();
    const { source, tokens, get } = setUp({ telemetry });
    source.answer = () => new Promise(() => {});
    const call = get();
    tokens[Symbol.dispose]();
    await expect(call).rejects.toThrow("disposed");
    expect(telemetry.told).toContainEqual({
      end: "latchkey.client.token_refresh",
      outcome: "ERR_TOKEN_SOURCE_UNAVAILABLE",
      results: undefined,
    });
  });

  it("L3: has as many sets of labels after 10,000 audiences, rejections and failures as after the first", async () => {
    const telemetry = createRecord();
    const { source, get } = setUp({ telemetry, maxEntries: 100 });
    const labelSets = (): number => new Set(telemetry.told.map((told) => JSON.stringify(told))).size;
    const use = async (audience: string): Promise<void> => {
      source.answer = () => ({ value: "same-length", expiresAtMs: Number.POSITIVE_INFINITY });
      await get({ audience });
      source.answer = fail();
      await get({ audience, rejected: "same-length" });
    };
    await use("first");
    const first = labelSets();
    for (let index = 0; index < 10_000; index++) await use(`stranger-${index}`);
    expect(labelSets()).toBe(first);
  });

  it("L2: repeats nothing that a source says: neither in an error, nor in an event, nor in a label", async () => {
    const telemetry = createRecord();
    const { source, events, get } = setUp({ telemetry });
    const hostile = "hostile\nlevel=info msg=forged";
    const errors: unknown[] = [];
    for (const answer of [
      () => Promise.reject(new Error(hostile)),
      () => Promise.reject(Object.assign(new Error("x"), { code: hostile, name: hostile })),
      () => ({ value: hostile, expiresAtMs: 9e15 }),
      () => ({ value: "t", expiresAtMs: hostile as unknown as number }),
    ]) {
      source.answer = answer;
      errors.push(await get({ audience: `a-${errors.length}` }).catch((error: unknown) => error));
    }
    const texts = errors.map((error) => `${error}`);
    expect(texts).toEqual(errors.map(() => expect.stringMatching(/^TokenSourceError: [\w ]+$/)));
    expect(inspect([events, telemetry.told], { depth: null })).not.toContain("forged");
    expect(events).toHaveLength(4);
  });
});

describe("createTokenRefresher(): any schedule", () => {
  const KEYS = ["a", "b", "c", "d"] as const;
  const key = fc.constantFrom(...KEYS);
  const outcome = fc.oneof(
    fc.record({ kind: fc.constant("token" as const), lifetimeMs: fc.constantFrom(1, 900, 5_000, 60_000, HOUR) }),
    fc.record({ kind: fc.constant("expired" as const) }),
    fc.record({ kind: fc.constant("failure" as const), retryAfterMs: fc.constantFrom(undefined, 5_000) }),
  );
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant("get" as const), key, aborts: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("reject" as const), key }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("answer" as const), index: fc.nat(3), outcome }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("advance" as const),
        ms: fc.constantFrom(1, 400, 1_000, 8_000, 31_000, HOUR / 2),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("wall clock" as const), ms: fc.constantFrom(-HOUR, HOUR, 70_000) }),
    },
  );

  it("K4, K5, K14: never has two requests per key, an expired token or another key's token", {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 60 }),
        fc.integer({ min: 1, max: 4 }),
        async (steps, maxEntries) => {
          const clock = createManualClock(1_700_000_000_000);
          const open: { readonly key: string; readonly signal: AbortSignal; settle: PromiseWithResolvers<Token> }[] =
            [];
          const faults: string[] = [];
          const last = new Map<string, string>();
          let serial = 0;
          const source: TokenSource = {
            getToken({ audience, signal }) {
              if (open.some((other) => other.key === audience && !other.signal.aborted)) faults.push("two requests");
              const settle = Promise.withResolvers<Token>();
              open.push({ key: audience, signal, settle });
              return settle.promise;
            },
          };
          using tokens = cachedTokens(source, { clock, maxEntries });
          const calls: Promise<void>[] = [];
          const get = (audience: string, aborts: boolean, rejected?: string): void => {
            const controller = new AbortController();
            const request = { audience, origin: "https://x.example", signal: controller.signal };
            const call = tokens.getToken({ ...request, ...(rejected !== undefined && { rejected }) }).then(
              ({ value, expiresAtMs }) => {
                if (!value.startsWith(`${audience}-`)) faults.push("another key's token");
                if (expiresAtMs <= clock.nowMs()) faults.push("an expired token");
                last.set(audience, value);
              },
              () => {},
            );
            calls.push(call);
            if (aborts) controller.abort();
          };
          for (const action of steps) {
            if (action.do === "get") get(action.key, action.aborts);
            if (action.do === "reject") get(action.key, false, last.get(action.key));
            // What was given out by now was given out before the time changes.
            if (action.do === "wall clock" || action.do === "advance") await clock.advance(0);
            if (action.do === "wall clock") clock.setWallClock(clock.nowMs() + action.ms);
            if (action.do === "advance") await clock.advance(action.ms);
            if (action.do !== "answer") continue;
            const [answered] = open.splice(action.index % Math.max(1, open.length), 1);
            if (answered === undefined) continue;
            const { settle } = answered;
            if (action.outcome.kind === "failure") {
              const { retryAfterMs } = action.outcome;
              fail(retryAfterMs)().catch(settle.reject);
            } else {
              const leftMs = action.outcome.kind === "token" ? action.outcome.lifetimeMs : -1;
              settle.resolve({ value: `${answered.key}-${++serial}`, expiresAtMs: clock.nowMs() + leftMs });
            }
            await clock.advance(0);
          }
          tokens[Symbol.dispose]();
          // Nobody is left waiting, and no timer either.
          await Promise.all([...calls, clock.advance(0)]);
          expect(clock.pendingTimers).toBe(0);
          expect(faults).toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });
});
