import { assertFunction } from "../lib/options.js";
import type { Telemetry, TelemetrySpan } from "./telemetry.js";

/**
 * Wraps telemetry so that a fault of it never becomes a fault of what it measures: what it throws is dropped, with the
 * measurement. A span that could not be begun is one that goes nowhere; one that is ended twice is ended once.
 *
 * @returns Telemetry that never throws. It has `startSpan` when `inner` has.
 * @throws TypeError when `inner` is no telemetry, as a meter of OpenTelemetry is not.
 */
export function createGuardedTelemetry(inner: Telemetry): Telemetry {
  assertFunction("telemetry.count", inner.count);
  assertFunction("telemetry.record", inner.record);
  return {
    count: (name, labels) => attempt(() => inner.count(name, labels)),
    record: (name, value, labels) => attempt(() => inner.record(name, value, labels)),
    ...(inner.startSpan && {
      startSpan(name, labels) {
        let span: TelemetrySpan | undefined;
        attempt(() => {
          span = inner.startSpan?.(name, labels);
          return span;
        });
        return {
          end(outcome, results) {
            const ending = span;
            span = undefined;
            attempt(() => ending?.end(outcome, results));
          },
        };
      },
    }),
  };
}

function attempt(measure: () => unknown): void {
  try {
    const told = measure();
    // An async function fits where one without a result is asked for.
    if (told instanceof Promise) told.catch(() => {});
  } catch {
    // To whom should it be told? Telemetry is what just failed.
  }
}
