import type { Counter, Histogram, Meter } from "@opentelemetry/api";
import type { Telemetry } from "./telemetry.js";

/** Options of {@link otelTelemetry}. */
export interface OtelTelemetryOptions {
  /** Where measurements go, such as `metrics.getMeter("latchkey")` of `@opentelemetry/api`. */
  readonly meter: Meter;
}

/**
 * Sends measurements to OpenTelemetry: counters as counters, values as histograms.
 *
 * Instruments are made on first use and kept; labels come from configuration, so their number is bounded.
 *
 * @example
 * ```ts
 * import { metrics } from "@opentelemetry/api";
 * import { otelTelemetry } from "latchkey/otel";
 *
 * const telemetry = otelTelemetry({ meter: metrics.getMeter("latchkey") });
 * ```
 *
 * @param options - The meter to use.
 * @returns A telemetry port to hand to any option named `telemetry`.
 */
export function otelTelemetry({ meter }: OtelTelemetryOptions): Telemetry {
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  return {
    count(name, labels) {
      let counter = counters.get(name);
      if (counter === undefined) {
        counter = meter.createCounter(name);
        counters.set(name, counter);
      }
      counter.add(1, labels);
    },
    record(name, value, labels) {
      let histogram = histograms.get(name);
      if (histogram === undefined) {
        histogram = meter.createHistogram(name, name.endsWith("_ms") ? { unit: "ms" } : {});
        histograms.set(name, histogram);
      }
      histogram.record(value, labels);
    },
  };
}
