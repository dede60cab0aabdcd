import { describe, expect, it } from "vitest";
import { createJwksMeasurements, type JwksMeasurements } from "../../src/jwks/measurements.js";
import type { Telemetry } from "../../src/telemetry/telemetry.js";

const LABELS = { tenant: "acme", provider: "main" };

function everything(measurements: JwksMeasurements): void {
  for (const outcome of ["hit", "stale", "miss"] as const) measurements.keyRequested(outcome);
  measurements.unusableKeys("use", 2);
  measurements.refreshStarted("refresh")("ok", 250, undefined);
  measurements.refreshStarted("forced")("ERR_KEYS_INVALID", 30, 60_000);
}

describe("createJwksMeasurements()", () => {
  it("names and labels what it measures", () => {
    const told: unknown[] = [];
    const telemetry: Telemetry = {
      count: (...details) => void told.push(["count", ...details]),
      record: (...details) => void told.push(["record", ...details]),
      startSpan(...details) {
        told.push(["start", ...details]);
        return { end: (outcome) => void told.push(["end", outcome]) };
      },
    };
    everything(createJwksMeasurements(telemetry, LABELS));
    expect(told).toEqual([
      ["count", "latchkey.jwks.requests", { ...LABELS, outcome: "hit" }],
      ["count", "latchkey.jwks.requests", { ...LABELS, outcome: "stale" }],
      ["count", "latchkey.jwks.requests", { ...LABELS, outcome: "miss" }],
      ["record", "latchkey.jwks.unusable_keys", 2, { ...LABELS, reason: "use" }],
      ["start", "latchkey.jwks.refresh", { ...LABELS, kind: "refresh" }],
      ["end", "ok"],
      ["count", "latchkey.jwks.refreshes", { ...LABELS, kind: "refresh", outcome: "ok" }],
      ["record", "latchkey.jwks.refresh_ms", 250, { ...LABELS, kind: "refresh" }],
      ["start", "latchkey.jwks.refresh", { ...LABELS, kind: "forced" }],
      ["end", "ERR_KEYS_INVALID"],
      ["count", "latchkey.jwks.refreshes", { ...LABELS, kind: "forced", outcome: "ERR_KEYS_INVALID" }],
      ["record", "latchkey.jwks.refresh_ms", 30, { ...LABELS, kind: "forced" }],
      ["record", "latchkey.jwks.key_set_age_ms", 60_000, LABELS],
    ]);
  });

  it("does without spans where the telemetry has none", () => {
    const counted: string[] = [];
    const telemetry: Telemetry = { count: (name) => void counted.push(name), record() {} };
    everything(createJwksMeasurements(telemetry, {}));
    expect(counted).toHaveLength(5);
  });

  it("calls methods as members of the telemetry", () => {
    class Meter {
      readonly counted: string[] = [];
      count(name: string): void {
        this.counted.push(name);
      }
      record(): void {}
      startSpan(name: string): { end(): void } {
        this.counted.push(name);
        return { end() {} };
      }
    }
    const meter = new Meter();
    everything(createJwksMeasurements(meter, {}));
    expect(meter.counted).toHaveLength(7);
  });

  const fail = (): never => {
    throw new Error("telemetry");
  };
  const reject = (): Promise<never> => Promise.reject(new Error("telemetry"));
  it.each([
    ["throws", { count: fail, record: fail, startSpan: fail }],
    ["throws at the end of a span", { count: fail, record: fail, startSpan: () => ({ end: fail }) }],
    ["rejects", { count: reject, record: reject, startSpan: () => ({ end: reject }) }],
    ["gives a promise for a span", { count: reject, record: reject, startSpan: reject }],
    ["gives no span", { count: fail, record: fail, startSpan: () => undefined }],
  ])("H16: goes on when the telemetry %s", async (_name, telemetry) => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", listen);
    expect(() => everything(createJwksMeasurements(telemetry as unknown as Telemetry, {}))).not.toThrow();
    for (let round = 0; round < 2; round++) await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", listen);
    expect(unhandled).toEqual([]);
  });
});
