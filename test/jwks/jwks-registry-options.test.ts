import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createJwksRegistry } from "../../src/jwks/jwks-registry.js";
import { type JwksRegistryOptions, resolveRegistryOptions } from "../../src/jwks/jwks-registry-options.js";

describe("resolveRegistryOptions()", () => {
  it("has the defaults that its documentation quotes", () => {
    const limits = resolveRegistryOptions({}, "options").limits as unknown as Readonly<Record<string, number>>;
    const source = readFileSync(new URL("../../src/jwks/jwks-registry-options.ts", import.meta.url), "utf8");
    const documented = [...source.matchAll(/@defaultValue `(\d+)`[^;]*?readonly (\w+)\?/g)];
    expect(documented.map(([, value, name]) => [name, Number(value)])).toEqual(Object.entries(limits));
  });

  it.each([
    [null, TypeError, "options must be an object, got null"],
    [{ default: {} }, TypeError, "options.default is not an option"],
    [{ maxTtlMs: 60_000 }, TypeError, "options.maxTtlMs is not an option"],
    [{ defaults: { maxTtl: 60 } }, TypeError, "options.defaults.maxTtl is not an option"],
    [{ defaults: { maxTtlMs: -1 } }, RangeError, "options.defaults.maxTtlMs"],
    [{ allowedDomains: [] }, TypeError, "options.allowedDomains must not be empty"],
    [{ allowedDomains: ["*.example"] }, TypeError, "options.allowedDomains[0]"],
    [{ maxConcurrentRequests: 0 }, RangeError, "options.maxConcurrentRequests"],
    [{ maxConcurrentRequestsPerTenant: 65 }, RangeError, "options.maxConcurrentRequestsPerTenant must not exceed"],
    [{ onEvent: "log" }, TypeError, "options.onEvent must be a function, got string"],
    [{ telemetry: 5 }, TypeError, "options.telemetry must be an object with the methods count, record"],
    [{ clock: {} }, TypeError, "options.clock must be an object with the methods nowMs"],
    [{ snapshots: {} }, TypeError, "options.snapshots"],
    [{ snapshots: { store: new Map(), secret: "short" } }, RangeError, "options.snapshots.secret"],
  ])("I6: refuses %o", (options, type, message) => {
    const create = (): unknown => createJwksRegistry(options as unknown as JwksRegistryOptions);
    expect(create).toThrow(type);
    expect(create).toThrow(message);
  });
});
