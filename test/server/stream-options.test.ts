import { describe, expect, it } from "vitest";
import { resolveStreamOptions, type StreamOptions } from "../../src/server/stream-options.js";

describe("resolveStreamOptions()", () => {
  it("fills in the defaults, also for what is undefined", () => {
    const defaults = { recheckMs: 30_000, expiryJitterMs: 0, expiringLeadMs: 10_000 };
    expect(resolveStreamOptions()).toEqual(defaults);
    const absent = { recheckMs: undefined, onExpiring: undefined } as unknown as StreamOptions;
    expect(resolveStreamOptions(absent)).toEqual(defaults);
  });

  it("keeps what is given", () => {
    const options = { recheckMs: 1, expiryJitterMs: 2.5, expiringLeadMs: 0, onExpiring: () => {} };
    expect(resolveStreamOptions(options)).toEqual(options);
  });

  it.each<readonly [string, unknown]>([
    ["recheckMs", 0],
    ["recheckMs", -1],
    ["recheckMs", Number.NaN],
    ["recheckMs", Number.POSITIVE_INFINITY],
    ["recheckMs", "30s"],
    ["recheckMs", null],
    ["expiryJitterMs", -1],
    ["expiryJitterMs", Number.NaN],
    ["expiryJitterMs", "1"],
    ["expiringLeadMs", -1],
    ["expiringLeadMs", Number.POSITIVE_INFINITY],
    ["onExpiring", "log"],
    ["onExpiring", null],
    ["recheckSeconds", 30],
  ])("refuses %s = %j and names it", (field, value) => {
    const resolve = (): unknown => resolveStreamOptions({ [field]: value });
    expect(resolve).toThrow(new RegExp(`^streams\\.${field} `));
  });

  it.each([null, 7, "a", []])("refuses %j", (options) => {
    expect(() => resolveStreamOptions(options as unknown as StreamOptions)).toThrow(/^streams must be an object/);
  });
});
