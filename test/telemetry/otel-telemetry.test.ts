import { createNoopMeter, type Meter, type MetricOptions } from "@opentelemetry/api";
import { beforeEach, describe, expect, it } from "vitest";
import { otelTelemetry } from "../../src/otel.js";

interface Recorded {
  readonly instruments: [kind: string, name: string, options: MetricOptions | undefined][];
  readonly measurements: [name: string, value: number, attributes: unknown][];
}

/** The meter of the API package, which measures nothing, with the two instruments that count written down. */
function createRecordingMeter(): { readonly meter: Meter; readonly recorded: Recorded } {
  const recorded: Recorded = { instruments: [], measurements: [] };
  const noop = createNoopMeter();
  const meter: Meter = Object.assign(Object.create(noop) as Meter, {
    createCounter: ((name, options) => {
      recorded.instruments.push(["counter", name, options]);
      return { add: (value, attributes) => void recorded.measurements.push([name, value, attributes]) };
    }) satisfies Meter["createCounter"],
    createHistogram: ((name, options) => {
      recorded.instruments.push(["histogram", name, options]);
      return { record: (value, attributes) => void recorded.measurements.push([name, value, attributes]) };
    }) satisfies Meter["createHistogram"],
  });
  return { meter, recorded };
}

describe("otelTelemetry()", () => {
  let meter: Meter;
  let recorded: Recorded;
  beforeEach(() => {
    ({ meter, recorded } = createRecordingMeter());
  });

  it("makes no instrument before something is measured", () => {
    otelTelemetry({ meter });
    expect(recorded.instruments).toEqual([]);
  });

  it("counts by one, with the labels given", () => {
    const telemetry = otelTelemetry({ meter });
    telemetry.count("latchkey.tokens", { outcome: "ok" });
    telemetry.count("latchkey.tokens");
    expect(recorded.measurements).toEqual([
      ["latchkey.tokens", 1, { outcome: "ok" }],
      ["latchkey.tokens", 1, undefined],
    ]);
  });

  it("records values as they are, zero and fractions included", () => {
    const telemetry = otelTelemetry({ meter });
    for (const value of [0, 0.25, 1_000]) telemetry.record("latchkey.wait_ms", value, { kind: "refresh" });
    expect(recorded.measurements.map(([, value]) => value)).toEqual([0, 0.25, 1_000]);
  });

  it("gives durations their unit, and nothing else one", () => {
    const telemetry = otelTelemetry({ meter });
    telemetry.record("latchkey.jwks.refresh_ms", 5);
    telemetry.record("latchkey.jwks.unusable_keys", 2);
    expect(recorded.instruments).toEqual([
      ["histogram", "latchkey.jwks.refresh_ms", { unit: "ms" }],
      ["histogram", "latchkey.jwks.unusable_keys", {}],
    ]);
  });

  it("L3: makes one instrument per name, however often and with whatever labels it is used", () => {
    const telemetry = otelTelemetry({ meter });
    for (let index = 0; index < 1_000; index++) {
      telemetry.count("latchkey.tokens", { outcome: `code-${index % 3}` });
      telemetry.record("latchkey.wait_ms", index);
    }
    expect(recorded.instruments.map(([kind, name]) => `${kind} ${name}`)).toEqual([
      "counter latchkey.tokens",
      "histogram latchkey.wait_ms",
    ]);
    expect(recorded.measurements).toHaveLength(2_000);
  });
});
