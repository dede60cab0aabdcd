import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createJwks } from "../../src/jwks/jwks.js";
import { type JwksOptions, resolveJwksOptions } from "../../src/jwks/jwks-options.js";

describe("resolveJwksOptions()", () => {
  it("has the defaults that its documentation quotes", () => {
    const settings = resolveJwksOptions({}, "options") as unknown as Readonly<Record<string, unknown>>;
    const source = readFileSync(new URL("../../src/jwks/jwks-options.ts", import.meta.url), "utf8");
    const documented = [...source.matchAll(/@defaultValue `([\d_]+|false)`[^;]*?readonly (\w+)\?/g)];
    expect(documented).toHaveLength(16);
    for (const [, value = "", name = ""] of documented) {
      expect(String(settings[name])).toBe(value.replaceAll("_", ""));
    }
  });

  it("takes undefined for the default", () => {
    const options = { maxTtlMs: undefined } as unknown as JwksOptions;
    expect(resolveJwksOptions(options, "options").maxTtlMs).toBe(3_600_000);
  });

  it.each([
    [{ minTtlMs: 0 }, RangeError, "options.minTtlMs must be a positive finite number, got 0"],
    [{ maxTtlMs: -1 }, RangeError, "options.maxTtlMs"],
    [{ fallbackTtlMs: Number.NaN }, RangeError, "options.fallbackTtlMs"],
    [{ cooldownMs: Number.POSITIVE_INFINITY }, RangeError, "options.cooldownMs"],
    [{ attemptTimeoutMs: "5m" }, TypeError, "options.attemptTimeoutMs must be a number, got string"],
    [{ totalTimeoutMs: null }, TypeError, "options.totalTimeoutMs"],
    [{ staleWhileErrorMs: -1 }, RangeError, "options.staleWhileErrorMs"],
    [{ retries: 1.5 }, RangeError, "options.retries"],
    [{ retries: -1 }, RangeError, "options.retries"],
    [{ maxBodyBytes: 0.5 }, RangeError, "options.maxBodyBytes"],
    [{ maxKeys: 0 }, RangeError, "options.maxKeys"],
    [{ maxPendingCallers: 0 }, RangeError, "options.maxPendingCallers"],
    [{ minTtlMs: 10, maxTtlMs: 5 }, RangeError, "options.minTtlMs must not exceed maxTtlMs (5), got 10"],
    [{ allowLoopbackHttp: "yes" }, TypeError, "options.allowLoopbackHttp"],
    [{ fetch: "fetch" }, TypeError, "options.fetch"],
  ])("I6: refuses %o", (options, type, message) => {
    const create = (): unknown => createJwks("https://idp.example/jwks", options as unknown as JwksOptions);
    expect(create).toThrow(type);
    expect(create).toThrow(message);
  });
});
