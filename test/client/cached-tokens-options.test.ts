import { describe, expect, it } from "vitest";
import { cachedTokens } from "../../src/client/cached-tokens.js";
import { type CachedTokensOptions, readCachedTokensOptions } from "../../src/client/cached-tokens-options.js";
import { createScriptedSource } from "../support/scripted-source.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function build(lifetimeMs: unknown, options: CachedTokensOptions = {}) {
  const source = Object.assign(createScriptedSource(), lifetimeMs === undefined ? {} : { lifetimeMs });
  return () => cachedTokens(source as never, options);
}

describe("readCachedTokensOptions()", () => {
  it("gives the defaults that the documentation names", () => {
    expect(
      readCachedTokensOptions(createScriptedSource(), { timeoutMs: 5, onEvent: undefined } as never),
    ).toMatchObject({
      maxEntries: 1_000,
      timeoutMs: 5,
      forcedRefreshIntervalMs: 10_000,
      refreshMarginMs: 30_000,
      onEvent: expect.any(Function),
    });
  });

  it("refuses what is no source", () => {
    expect(() => cachedTokens({} as never)).toThrow(new TypeError("source must be a token source, got object"));
    expect(() => cachedTokens(null as never)).toThrow(new TypeError("source must be a token source, got null"));
  });

  it.each(["maxEntries", "timeoutMs", "forcedRefreshIntervalMs", "refreshMarginMs"])(
    "D6: refuses %s of 0, NaN and text",
    (field) => {
      for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, "5m"]) {
        expect(build(undefined, { [field]: value })).toThrow(field);
      }
    },
  );

  it.each([
    [{ refreshMargin: 5 }, "options.refreshMargin is not an option"],
    [{ onEvent: "log" }, "onEvent must be a function, got string"],
    [[], "options must be an object, got array"],
  ])("refuses the options %j", (options, message) => {
    expect(build(undefined, options as CachedTokensOptions)).toThrow(new TypeError(message));
  });

  it.each([
    [0, "source.lifetimeMs must be a positive finite number"],
    [-1, "source.lifetimeMs must be a positive finite number"],
    [Number.NaN, "source.lifetimeMs must be finite"],
    [Number.POSITIVE_INFINITY, "source.lifetimeMs must be finite"],
    ["1 hour", "source.lifetimeMs must be a number, got string"],
    [DAY + 1, "source.lifetimeMs must be at most 86400000 (24 hours), got 86400001"],
  ])("D6: refuses a source whose tokens live for %s", (lifetimeMs, message) => {
    expect(build(lifetimeMs)).toThrow(message);
  });

  it("refuses a margin that is not below the lifetime of the tokens", () => {
    expect(build(HOUR, { refreshMarginMs: HOUR })).toThrow(
      new RangeError("refreshMarginMs must be less than the lifetime of the tokens, 3600000, got 3600000"),
    );
    expect(build(HOUR, { refreshMarginMs: HOUR + 1 })).toThrow(RangeError);
    expect(build(HOUR, { refreshMarginMs: HOUR - 1 })).not.toThrow();
  });

  it("accepts every lifetime up to a day, and short ones with the default margin", () => {
    for (const lifetimeMs of [1, 20_000, HOUR, DAY]) expect(build(lifetimeMs)).not.toThrow();
  });

  it("refuses the same when a cache is put into a cache", () => {
    const inner = build(HOUR)();
    expect(inner.lifetimeMs).toBe(HOUR);
    expect(() => cachedTokens(inner, { refreshMarginMs: 2 * HOUR })).toThrow(RangeError);
  });
});
