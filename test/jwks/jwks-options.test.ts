import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseAllowedDomains } from "../../src/jwks/allowed-domains.js";
import { createJwks } from "../../src/jwks/jwks.js";
import { type JwksOptions, resolveJwksOptions, toUrlRules } from "../../src/jwks/jwks-options.js";

describe("resolveJwksOptions()", () => {
  it("has the defaults that its documentation quotes", () => {
    const settings = resolveJwksOptions({}, "options") as unknown as Readonly<Record<string, unknown>>;
    const source = readFileSync(new URL("../../src/jwks/jwks-options.ts", import.meta.url), "utf8");
    const documented = [...source.matchAll(/@defaultValue `([\d_]+|false)`[^;]*?readonly (\w+)\?/g)];
    expect(documented).toHaveLength(18);
    for (const [, value = "", name = ""] of documented) {
      expect(String(settings[name])).toBe(value.replaceAll("_", ""));
    }
  });

  it("takes undefined for the default", () => {
    const options = { maxTtlMs: undefined } as unknown as JwksOptions;
    expect(resolveJwksOptions(options, "options").maxTtlMs).toBe(3_600_000);
  });

  it("spreads over everything that is below, and closes the circuit when the cooldown ends, unless told otherwise", () => {
    expect(resolveJwksOptions({}, "options")).toMatchObject({ retryJitter: "full", breakerOpenMs: 30_000 });
    expect(resolveJwksOptions({ cooldownMs: 7 }, "options").breakerOpenMs).toBe(7);
    expect(resolveJwksOptions({ cooldownMs: 7, breakerOpenMs: 9 }, "options").breakerOpenMs).toBe(9);
  });

  const positive = ["minTtlMs", "maxTtlMs", "fallbackTtlMs", "attemptTimeoutMs", "totalTimeoutMs", "cooldownMs"];
  const durations = [
    ...[...positive, "breakerOpenMs"].map((name) => [name, "must be a positive finite number", [0, -1]] as const),
    ...["refreshEarlyMs", "refreshJitterMs", "retryMinDelayMs", "retryMaxDelayMs", "staleWhileErrorMs"].map(
      (name) => [name, "must be 0 or a positive finite number", [-1]] as const,
    ),
  ];
  const counts = [
    ...["maxBodyBytes", "maxKeys", "maxPendingCallers", "breakerFailures"].map(
      (name) => [name, "must be a positive finite number", [0, -1]] as const,
    ),
    ...["retries", "maxRedirects"].map((name) => [name, "must be 0 or a positive finite number", [-1]] as const),
  ];

  function refused(options: unknown): unknown {
    try {
      return createJwks("https://idp.example/jwks", options as JwksOptions);
    } catch (error) {
      return error;
    }
  }

  it.each([...durations, ...counts])(
    "I6, D6: takes for %s numbers alone, and of them those that make sense",
    (...row) => {
      const [name, range, outside] = row;
      for (const value of outside) {
        const error = refused({ [name]: value });
        expect(error).toBeInstanceOf(RangeError);
        expect(error).toHaveProperty("message", `options.${name} ${range}, got ${value}`);
      }
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const error = refused({ [name]: value });
        expect(error).toBeInstanceOf(RangeError);
        expect(error).toHaveProperty("message", `options.${name} must be finite, got ${value}`);
      }
      for (const [value, type] of [
        ["5m", "string"],
        [" 5", "string"],
        ["1 month", "string"],
        [null, "null"],
        [[5], "array"],
        [true, "boolean"],
        [5n, "bigint"],
        [new Date(), "object"],
      ]) {
        const error = refused({ [name as string]: value });
        expect(error).toBeInstanceOf(TypeError);
        expect(error).toHaveProperty("message", `options.${name} must be a number, got ${type}`);
      }
    },
  );

  it.each(counts)("I6: takes whole numbers alone for %s", (name) => {
    for (const value of [1.5, 2 ** 53]) {
      const error = refused({ [name]: value });
      expect(error).toBeInstanceOf(RangeError);
      expect(error).toHaveProperty("message", `options.${name} must be an integer, got ${value}`);
    }
  });

  it.each([
    [{ minTtlMs: 10, maxTtlMs: 5 }, RangeError, "options.minTtlMs must not exceed maxTtlMs (5), got 10"],
    [{ maxTtlMs: 5 }, RangeError, "options.minTtlMs must not exceed maxTtlMs (5), got 30000"],
    [{ retryJitter: "half" }, TypeError, "options.retryJitter must be one of none, full, decorrelated"],
    [{ retryJitter: null }, TypeError, "options.retryJitter must be one of none, full, decorrelated"],
    [{ allowLoopbackHttp: "yes" }, TypeError, "options.allowLoopbackHttp must be a boolean, got string"],
    [{ fetch: "fetch" }, TypeError, "options.fetch must be a function, got string"],
    [{ fetch: null }, TypeError, "options.fetch must be a function, got null"],
    [{ onEvent: {} }, TypeError, "options.onEvent must be a function, got object"],
    [{ telemetry: {} }, TypeError, "options.telemetry must be an object with the methods count, record"],
    [{ telemetry: null }, TypeError, "options.telemetry must be an object with the methods count, record"],
    [{ clock: {} }, TypeError, "options.clock must be an object with the methods nowMs, monotonicMs, setTimer"],
    [{ clock: Date }, TypeError, "options.clock must be an object with the methods nowMs, monotonicMs, setTimer"],
    [{ labels: "tenant" }, TypeError, "options.labels must be an object of strings"],
    [{ labels: ["tenant"] }, TypeError, "options.labels must be an object of strings"],
    [{ labels: { tenant: 7 } }, TypeError, "options.labels must be an object of strings"],
    [null, TypeError, "options must be an object, got null"],
    [{ allowedDomain: ["idp.example"] }, TypeError, "options.allowedDomain is not an option"],
    [{ allowedDomains: [] }, TypeError, "options.allowedDomains must not be empty"],
    [{ allowedDomains: "idp.example" }, TypeError, "options.allowedDomains must be an array of strings, got string"],
    [{ allowedDomains: ["idp.example", "*"] }, TypeError, "options.allowedDomains[1]"],
  ])("I6: refuses %o", (options, type, message) => {
    const error = refused(options);
    expect(error).toBeInstanceOf(type);
    expect(error).toHaveProperty("message", expect.stringContaining(message));
  });

  it("takes ports whose methods are inherited", () => {
    class Meter {
      count(): void {}
      record(): void {}
    }
    const telemetry = new Meter();
    expect(resolveJwksOptions({ telemetry }, "options").telemetry).toBe(telemetry);
  });

  it("I6: names the options as they are called where they stand", () => {
    expect(() => resolveJwksOptions({ retries: -1 }, "issuers[2].jwksOptions")).toThrow(
      "issuers[2].jwksOptions.retries",
    );
  });
});

describe("toUrlRules()", () => {
  it("reads the domains, and leaves out what was not said", () => {
    const settings = resolveJwksOptions({ allowedDomains: ["IDP.example."], allowLoopbackHttp: true }, "options");
    expect(toUrlRules(settings, "options")).toEqual({
      allowLoopbackHttp: true,
      allowedDomains: parseAllowedDomains(["idp.example"], "domains"),
    });
    expect(toUrlRules(resolveJwksOptions({}, "options"), "options")).toEqual({
      allowLoopbackHttp: false,
      allowedDomains: undefined,
    });
  });
});
