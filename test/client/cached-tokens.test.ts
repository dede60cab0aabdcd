import { getEventListeners } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import type { CachedTokensOptions } from "../../src/client/cached-tokens-options.js";
import { TokenSourceError } from "../../src/errors.js";
import type { Labels } from "../../src/telemetry/telemetry.js";
import { createManualClock } from "../../src/testing/manual-clock.js";
import type { Token, TokenRequest } from "../../src/token/token.js";
import { createDeferred, createScriptedSource, type ScriptedSourceOptions } from "../support/scripted-source.js";

const HOUR = 3_600_000;

function setUp(options: CachedTokensOptions = {}, sourceOptions: ScriptedSourceOptions = {}) {
  const clock = createManualClock();
  const source = createScriptedSource({ clock, ...sourceOptions });
  const tokens = cachedTokens(source, { clock, ...options });
  const get = async (request: Partial<TokenRequest> = {}): Promise<string> => {
    const { value } = await tokens.getToken({
      audience: "https://jobs.example",
      origin: "https://jobs.example",
      signal: new AbortController().signal,
      ...request,
    });
    return value;
  };
  return { clock, source, tokens, get };
}

const unavailable = new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "down");

afterEach(() => {
  vi.restoreAllMocks();
});

describe("cachedTokens()", () => {
  it("asks once and gives the same token again", async () => {
    const { source, get } = setUp();
    expect([await get(), await get(), await get()]).toEqual(["token-1", "token-1", "token-1"]);
    expect(source.requests).toHaveLength(1);
  });

  it("tells the source audience and origin, and not the signal of a caller", async () => {
    const { source, get } = setUp();
    const { signal } = new AbortController();
    await get({ signal });
    expect(source.requests[0]).toMatchObject({ audience: "https://jobs.example", origin: "https://jobs.example" });
    expect(source.requests[0]?.signal).not.toBe(signal);
    expect(source.requests[0]).not.toHaveProperty("rejected");
  });

  it("gives frozen tokens", async () => {
    const { tokens } = setUp();
    const request = { audience: "a", origin: "https://a.example", signal: new AbortController().signal };
    await tokens.getToken(request);
    expect(await tokens.getToken(request)).toSatisfy(Object.isFrozen);
  });

  describe("keys", () => {
    it("K13: keeps one token per audience", async () => {
      const { get } = setUp();
      expect(await get({ audience: "a" })).toBe("token-1");
      expect(await get({ audience: "b" })).toBe("token-2");
      expect(await get({ audience: "a" })).toBe("token-1");
    });

    it("keeps one token per cache key when the source has its own", async () => {
      const clock = createManualClock();
      const source = Object.assign(createScriptedSource({ clock }), {
        cacheKey: ({ origin }: TokenRequest) => origin,
      });
      const tokens = cachedTokens(source, { clock });
      const { signal } = new AbortController();
      const first = await tokens.getToken({ audience: "a", origin: "https://x.example", signal });
      expect(await tokens.getToken({ audience: "b", origin: "https://x.example", signal })).toBe(first);
      expect(await tokens.getToken({ audience: "a", origin: "https://y.example", signal })).not.toBe(first);
    });

    it("K14: never gives one of a hundred identities the token of another", async () => {
      const clock = createManualClock();
      const tenants = Array.from({ length: 100 }, (_, index) => {
        const source = createScriptedSource({ clock });
        source.answer = async () => ({ ...source.nextToken(), value: `tenant-${index}` });
        return cachedTokens(source, { clock });
      });
      const { signal } = new AbortController();
      const request = { audience: "same", origin: "https://same.example", signal };
      let swaps = 0;
      for (let round = 0; round < 100; round++) {
        const values = await Promise.all(tenants.map((tokens) => tokens.getToken(request)));
        for (const [index, { value }] of values.entries()) if (value !== `tenant-${index}`) swaps++;
      }
      expect(swaps).toBe(0);
    });

    it("keeps a bounded number of tokens", async () => {
      const { source, get } = setUp({ maxEntries: 2 });
      for (const audience of ["a", "b", "a", "c"]) await get({ audience });
      expect(source.requests).toHaveLength(3);
      await get({ audience: "a" });
      expect(source.requests).toHaveLength(3);
      await get({ audience: "b" });
      expect(source.requests).toHaveLength(4);
    });
  });

  describe("refresh", () => {
    it("K5: gives the old token while a new one is fetched in the background", async () => {
      const { clock, source, get } = setUp();
      await get();
      await clock.advance(0.72 * HOUR - 1);
      expect(await get()).toBe("token-1");
      expect(source.requests).toHaveLength(1);
      await clock.advance(0.08 * HOUR + 1);
      const answer = createDeferred<Token>();
      source.answer = () => answer.promise;
      expect(await Promise.all([get(), get(), get()])).toEqual(["token-1", "token-1", "token-1"]);
      expect(source.requests).toHaveLength(2);
      answer.resolve(source.nextToken());
      await clock.advance(0);
      expect(await get()).toBe("token-2");
      expect(source.requests).toHaveLength(2);
    });

    it("K5: spreads the moment of refresh at random", async () => {
      vi.spyOn(Math, "random").mockReturnValue(0.999_999);
      const { clock, source, get } = setUp();
      await get();
      await clock.advance(0.721 * HOUR);
      await get();
      expect(source.requests).toHaveLength(2);
    });

    it("K5: goes on giving the old token while the source fails, and leaves the source alone in between", async () => {
      const { clock, source, get } = setUp();
      await get();
      await clock.advance(0.8 * HOUR);
      source.answer = () => Promise.reject(unavailable);
      expect(await get()).toBe("token-1");
      await clock.advance(0);
      for (let call = 0; call < 100; call++) expect(await get()).toBe("token-1");
      expect(source.requests).toHaveLength(2);
      await clock.advance(1_000);
      expect(await get()).toBe("token-1");
      expect(source.requests).toHaveLength(3);
    });

    it("K5: never gives an expired token", async () => {
      const { clock, source, get } = setUp();
      await get();
      source.answer = () => Promise.reject(unavailable);
      await clock.advance(HOUR - 1);
      expect(await get()).toBe("token-1");
      await clock.advance(1);
      await expect(get()).rejects.toBe(unavailable);
    });

    it("D7: refreshes in time when the wall clock was put back by an hour", async () => {
      const { clock, source, get } = setUp();
      await get();
      clock.setWallClock(clock.nowMs() - HOUR);
      await clock.advance(0.8 * HOUR);
      await get();
      expect(source.requests).toHaveLength(2);
    });

    it("D7: notices on the wall clock that the machine slept", async () => {
      const { clock, get } = setUp();
      await get();
      clock.setWallClock(clock.nowMs() + HOUR);
      expect(await get()).toBe("token-2");
    });
  });

  describe("sharing", () => {
    it("K4: makes one request for a thousand callers, and the first caller's abort harms no other", async () => {
      const { source, get } = setUp();
      const answer = createDeferred<Token>();
      source.answer = () => answer.promise;
      const first = new AbortController();
      const calls = [get({ signal: first.signal }), ...Array.from({ length: 999 }, () => get())];
      const left = new Error("left");
      first.abort(left);
      await expect(calls[0]).rejects.toBe(left);
      answer.resolve(source.nextToken());
      const values = await Promise.all(calls.slice(1));
      expect(new Set(values)).toEqual(new Set(["token-1"]));
      expect(source.requests).toHaveLength(1);
      expect(source.requests[0]?.signal.aborted).toBe(false);
    });

    it("K4: gives one failure to all who wait, and asks again after the backoff", async () => {
      const { clock, source, get } = setUp();
      source.answer = () => Promise.reject(unavailable);
      const results = await Promise.allSettled([get(), get(), get()]);
      expect(results).toEqual(Array(3).fill({ status: "rejected", reason: unavailable }));
      await expect(get()).rejects.toBe(unavailable);
      expect(source.requests).toHaveLength(1);
      source.answer = undefined;
      await clock.advance(1_000);
      expect(await get()).toBe("token-1");
      expect(source.requests).toHaveLength(2);
    });

    it("waits longer after each failure in a row, and starts afresh after a success", async () => {
      vi.spyOn(Math, "random").mockReturnValue(1);
      const { clock, source, get } = setUp({}, { lifetimeMs: 1_000 });
      const countAfter = async (ms: number): Promise<number> => {
        await clock.advance(ms);
        await get().catch(() => {});
        return source.requests.length;
      };
      source.answer = () => Promise.reject(unavailable);
      expect([await countAfter(0), await countAfter(1_000), await countAfter(1_999), await countAfter(1)]).toEqual([
        1, 2, 2, 3,
      ]);
      source.answer = undefined;
      expect(await countAfter(4_000)).toBe(4);
      source.answer = () => Promise.reject(unavailable);
      expect([await countAfter(1_000), await countAfter(999), await countAfter(1)]).toEqual([5, 5, 6]);
    });

    it("K8: leaves a source that refused alone for 30 s", async () => {
      const { clock, source, get } = setUp();
      source.answer = () => Promise.reject(new TokenSourceError("ERR_TOKEN_SOURCE_REFUSED", "no"));
      await expect(get()).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_REFUSED" });
      await clock.advance(29_999);
      await expect(get()).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_REFUSED" });
      expect(source.requests).toHaveLength(1);
      await clock.advance(1);
      await expect(get()).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_REFUSED" });
      expect(source.requests).toHaveLength(2);
    });

    it("K11: rejects at once with the reason of a signal that has aborted, without a request", async () => {
      const { source, get } = setUp();
      const reason = new Error("gone");
      await expect(get({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      expect(source.requests).toHaveLength(0);
    });

    it("K11: leaves no listener on the signals of ten thousand callers that aborted", async () => {
      const { source, get } = setUp();
      const answer = createDeferred<Token>();
      source.answer = () => answer.promise;
      const controllers = Array.from({ length: 10_000 }, () => new AbortController());
      const calls = controllers.map(({ signal }) => get({ signal }));
      for (const controller of controllers) controller.abort();
      const results = await Promise.allSettled(calls);
      expect(results.every(({ status }) => status === "rejected")).toBe(true);
      expect(controllers.some(({ signal }) => getEventListeners(signal, "abort").length > 0)).toBe(false);
      expect(source.requests).toHaveLength(1);
      answer.resolve(source.nextToken());
      expect(await get()).toBe("token-1");
    });

    it("K11: leaves no listener on a long-lived signal of callers that were served", async () => {
      const { get } = setUp();
      const { signal } = new AbortController();
      await Promise.all(Array.from({ length: 100 }, () => get({ signal })));
      expect(getEventListeners(signal, "abort")).toHaveLength(0);
    });

    it("gives up on a source that never answers, and ignores an answer that comes too late", async () => {
      const { clock, source, get } = setUp({ timeoutMs: 5_000 });
      const late = createDeferred<Token>();
      source.answer = () => late.promise;
      const call = get();
      const refused = expect(call).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_UNAVAILABLE" });
      await clock.advance(5_000);
      await refused;
      expect(source.requests[0]?.signal.aborted).toBe(true);
      expect(clock.pendingTimers).toBe(0);
      source.answer = undefined;
      await clock.advance(1_000);
      expect(await get()).toBe("token-1");
      late.resolve(source.nextToken());
      await clock.advance(0);
      expect(await get()).toBe("token-1");
    });

    it("leaves no timer behind", async () => {
      const { clock, get } = setUp();
      await get();
      expect(clock.pendingTimers).toBe(0);
    });
  });

  describe("what sources give", () => {
    it.each([
      [
        "throws at once",
        () => {
          throw new Error("secret-value");
        },
        "ERR_TOKEN_SOURCE_UNAVAILABLE",
      ],
      ["rejects", () => Promise.reject(new Error("secret-value")), "ERR_TOKEN_SOURCE_UNAVAILABLE"],
      ["gives nothing", () => undefined as unknown as Token, "ERR_TOKEN_SOURCE_INVALID"],
      ["gives a line break", () => ({ value: "secret-value\r\nx: y", expiresAtMs: 9e15 }), "ERR_TOKEN_SOURCE_INVALID"],
      ["gives an expired token", () => ({ value: "secret-value", expiresAtMs: 1 }), "ERR_TOKEN_SOURCE_UNAVAILABLE"],
    ] as const)("K7: answers a source that %s by an error without its words", async (_, answer, code) => {
      const { source, get } = setUp();
      source.answer = answer;
      const error = await get().catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code });
      expect(String(error)).not.toContain("secret-value");
      await expect(get()).rejects.toBe(error);
      expect(source.requests).toHaveLength(1);
    });
  });

  describe("invalidate()", () => {
    it("K9: replaces the rejected token once for all who had it, and tells the source which one it was", async () => {
      const { source, tokens, get } = setUp();
      await get();
      const calls = Array.from({ length: 50 }, () => {
        tokens.invalidate("token-1");
        return get({ rejected: "token-1" });
      });
      expect(new Set(await Promise.all(calls))).toEqual(new Set(["token-2"]));
      expect(source.requests).toHaveLength(2);
      expect(source.requests[1]?.rejected).toBe("token-1");
    });

    it("K9: does nothing to the successor of the rejected token", async () => {
      const { source, tokens, get } = setUp();
      await get();
      tokens.invalidate("token-1");
      await get();
      tokens.invalidate("token-1");
      expect(await get({ rejected: "token-1" })).toBe("token-2");
      tokens.invalidate("never-seen");
      expect(await get()).toBe("token-2");
      expect(source.requests).toHaveLength(2);
    });

    it("K9: concerns that value alone", async () => {
      const { source, tokens, get } = setUp();
      await get({ audience: "a" });
      await get({ audience: "b" });
      tokens.invalidate("token-2");
      tokens.invalidate("never-seen");
      expect(await get({ audience: "a" })).toBe("token-1");
      expect(source.requests).toHaveLength(2);
      expect(await get({ audience: "b" })).toBe("token-3");
    });

    it("K9: takes `rejected` in a request for an invalidation", async () => {
      const { get } = setUp();
      await get();
      expect(await get({ rejected: "token-1" })).toBe("token-2");
    });

    it("K9: keeps forced refreshes 10 s apart, per audience, and gives the rejected token again in between", async () => {
      const { clock, source, tokens, get } = setUp();
      await get();
      tokens.invalidate("token-1");
      expect(await get()).toBe("token-2");
      tokens.invalidate("token-2");
      await clock.advance(9_999);
      expect(await get({ rejected: "token-2" })).toBe("token-2");
      expect(source.requests).toHaveLength(2);
      await get({ audience: "other" });
      expect(await get({ audience: "other", rejected: "token-3" })).toBe("token-4");
      await clock.advance(1);
      expect(await get()).toBe("token-5");
    });

    it("D7: keeps that interval when the wall clock is put back or forward", async () => {
      const { clock, source, get } = setUp();
      await get();
      await get({ rejected: "token-1" });
      clock.setWallClock(clock.nowMs() - HOUR / 2);
      await get({ rejected: "token-2" });
      clock.setWallClock(clock.nowMs() + HOUR);
      await get({ rejected: "token-2" });
      expect(source.requests).toHaveLength(2);
      await clock.advance(10_000);
      expect(await get({ rejected: "token-2" })).toBe("token-3");
    });

    it("K10: gives a token again that the source gave again", async () => {
      const { clock, source, get } = setUp();
      const same = source.nextToken();
      source.answer = () => same;
      await get();
      expect(await get({ rejected: "token-1" })).toBe("token-1");
      expect(await get()).toBe("token-1");
      expect(source.requests).toHaveLength(2);
      await clock.advance(10_000);
      expect(await get()).toBe("token-1");
      expect(source.requests).toHaveLength(3);
    });

    it("gives the rejected token again while no other can be had", async () => {
      const { clock, source, get } = setUp();
      await get();
      source.answer = () => Promise.reject(unavailable);
      expect(await get({ rejected: "token-1" })).toBe("token-1");
      await clock.advance(HOUR);
      await expect(get()).rejects.toBe(unavailable);
    });

    it("K11: lets a caller leave that waits for the replacement", async () => {
      const { source, get } = setUp();
      await get();
      source.answer = () => new Promise(() => {});
      const controller = new AbortController();
      const call = get({ rejected: "token-1", signal: controller.signal });
      const reason = new Error("deadline");
      controller.abort(reason);
      await expect(call).rejects.toBe(reason);
    });

    it("joins a refresh under way", async () => {
      const { clock, source, get } = setUp();
      await get();
      await clock.advance(0.8 * HOUR);
      const answer = createDeferred<Token>();
      source.answer = () => answer.promise;
      await get();
      const call = get({ rejected: "token-1" });
      answer.resolve(source.nextToken());
      expect(await call).toBe("token-2");
      expect(source.requests).toHaveLength(2);
    });
  });

  describe("warm()", () => {
    it("obtains the token that the first call would", async () => {
      const { source, tokens, get } = setUp();
      await tokens.warm("https://jobs.example/");
      expect(source.requests).toMatchObject([{ audience: "https://jobs.example", origin: "https://jobs.example" }]);
      expect(await get()).toBe("token-1");
      expect(source.requests).toHaveLength(1);
    });

    it("takes an audience and a signal", async () => {
      const { source, tokens } = setUp();
      await tokens.warm("https://jobs.example", { audience: "jobs" });
      expect(source.requests).toMatchObject([{ audience: "jobs", origin: "https://jobs.example" }]);
      const reason = new Error("gone");
      await expect(tokens.warm("https://other.example", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    });

    it("rejects as getToken() does", async () => {
      const { source, tokens } = setUp();
      source.answer = () => Promise.reject(unavailable);
      await expect(tokens.warm("https://jobs.example")).rejects.toBe(unavailable);
    });
  });

  describe("disposal", () => {
    it("ends requests under way and refuses further ones", async () => {
      const { clock, source, tokens, get } = setUp();
      source.answer = () => new Promise(() => {});
      const call = get();
      const refused = expect(call).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_UNAVAILABLE" });
      tokens[Symbol.dispose]();
      await refused;
      expect(source.requests[0]?.signal.aborted).toBe(true);
      expect(clock.pendingTimers).toBe(0);
      await expect(get()).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_UNAVAILABLE" });
      expect(source.requests).toHaveLength(1);
    });

    it("gives no rejected token to those who waited for another", async () => {
      const { source, tokens, get } = setUp();
      const rejected = await get();
      source.answer = () => new Promise(() => {});
      const waiting = expect(get({ rejected })).rejects.toMatchObject({ code: "ERR_TOKEN_SOURCE_UNAVAILABLE" });
      tokens[Symbol.dispose]();
      await waiting;
    });
  });

  describe("telemetry", () => {
    it("counts and times refreshes by occasion and outcome, without values of tokens", async () => {
      const counted: [string, Labels | undefined][] = [];
      const recorded: string[] = [];
      const telemetry = {
        count: (name: string, labels?: Labels) => void counted.push([name, labels]),
        record: (name: string) => void recorded.push(name),
      };
      const { source, get } = setUp({ telemetry });
      await get();
      source.answer = () => Promise.reject(unavailable);
      await get({ rejected: "token-1" });
      expect(counted).toEqual([
        ["latchkey.client.token_refreshes", { occasion: "needed", outcome: "ok" }],
        ["latchkey.client.token_refreshes", { occasion: "rejected", outcome: "ERR_TOKEN_SOURCE_UNAVAILABLE" }],
      ]);
      expect(recorded).toEqual(["latchkey.client.token_refresh_ms", "latchkey.client.token_refresh_ms"]);
    });
  });

  it("passes on whether tokens are bound to their audience", () => {
    expect(setUp({}, { audienceBound: true }).tokens.audienceBound).toBe(true);
    expect(setUp().tokens.audienceBound).toBeUndefined();
  });
});
