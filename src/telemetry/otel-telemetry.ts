import {
  type Counter,
  type Histogram,
  type Meter,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { assertFields, type FieldsOf, typeName } from "../lib/options.js";
import { createGuardedTelemetry } from "./guarded-telemetry.js";
import { noTelemetry, type Telemetry } from "./telemetry.js";

/** Options of {@link otelTelemetry}: at least one of them. */
export interface OtelTelemetryOptions {
  /** Where measurements go, such as `metrics.getMeter("latchkey")` of `@opentelemetry/api`. @defaultValue nowhere */
  readonly meter?: Meter;
  /** Where spans go, such as `trace.getTracer("latchkey")` of `@opentelemetry/api`. @defaultValue nowhere */
  readonly tracer?: Tracer;
}

const OPTIONS: FieldsOf<OtelTelemetryOptions> = { meter: true, tracer: true };

// From a request on loopback to the age of a key set. The SDK's own boundaries end at ten seconds.
const DURATION_BOUNDARIES_MS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 1_800_000,
  3_600_000, 7_200_000, 86_400_000,
];

/**
 * Sends measurements and spans to OpenTelemetry: counters as counters, values as histograms, calls to other services as
 * client spans.
 *
 * Instruments are made on first use and kept; labels come from configuration, so their number is bounded. Names that end
 * in `_ms` get the unit `ms` and bucket boundaries from a millisecond to a day, which a view may replace. A span carries
 * its labels and its `outcome` as attributes, and the status `ERROR` with the code unless the outcome is `ok`. It begins a
 * trace of its own, with a link to the span of the caller at whose call it began, for its work is shared by all who wait.
 * What a meter or tracer throws is dropped: measuring never fails a call.
 *
 * @example
 * ```ts
 * import { metrics, trace } from "@opentelemetry/api";
 * import { createJwks } from "latchkey/jwks";
 * import { otelTelemetry } from "latchkey/otel";
 *
 * const telemetry = otelTelemetry({ meter: metrics.getMeter("latchkey"), tracer: trace.getTracer("latchkey") });
 * const jwks = createJwks("https://idp.example/jwks.json", { telemetry });
 * ```
 *
 * @param options - The meter, the tracer, or both.
 * @returns A telemetry port to hand to any option named `telemetry`.
 * @throws TypeError if there is neither, or if one is something else.
 */
export function otelTelemetry(options: OtelTelemetryOptions): Telemetry {
  assertFields("options", options, OPTIONS);
  const { meter, tracer } = options;
  if (meter === undefined && tracer === undefined) throw new TypeError("options.meter or options.tracer must be given");
  // What is thrown later is dropped, so that a mistake shows here or never.
  if (meter !== undefined && typeof meter?.createCounter !== "function") {
    throw new TypeError(`options.meter must be a Meter of @opentelemetry/api, got ${typeName(meter)}`);
  }
  if (tracer !== undefined && typeof tracer?.startSpan !== "function") {
    throw new TypeError(`options.tracer must be a Tracer of @opentelemetry/api, got ${typeName(tracer)}`);
  }
  return createGuardedTelemetry({
    ...(meter === undefined ? noTelemetry : measureWith(meter)),
    ...(tracer !== undefined && { startSpan: spansOf(tracer) }),
  });
}

function measureWith(meter: Meter): Telemetry {
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
        const isDuration = name.endsWith("_ms");
        histogram = meter.createHistogram(
          name,
          isDuration ? { unit: "ms", advice: { explicitBucketBoundaries: DURATION_BOUNDARIES_MS } } : {},
        );
        histograms.set(name, histogram);
      }
      histogram.record(value, labels);
    },
  };
}

function spansOf(tracer: Tracer): NonNullable<Telemetry["startSpan"]> {
  return (name, labels = {}) => {
    // Not its child: the timer of the next refresh, set during this one, would inherit a trace that ended long ago.
    const caller = trace.getActiveSpan();
    const span = tracer.startSpan(name, {
      kind: SpanKind.CLIENT,
      root: true,
      attributes: labels,
      links: caller?.isRecording() ? [{ context: caller.spanContext() }] : [],
    });
    return {
      end(outcome, results) {
        try {
          span.setAttributes({ ...results, outcome });
          if (outcome !== "ok") span.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
        } finally {
          span.end();
        }
      },
    };
  };
}
