/** Labels of a measurement: configured names and codes only, never a value that a caller chose. */
export type Labels = Readonly<Record<string, string>>;

/**
 * Where measurements go: a port that {@link otelTelemetry} or an adapter of your own implements.
 *
 * Its methods are called while callers wait: they must return at once and must not throw.
 */
export interface Telemetry {
  /** Adds 1 to a counter. Names are dotted, such as `latchkey.jwks.refreshes`. */
  count(name: string, labels?: Labels): void;
  /** Records one value of a distribution; durations in milliseconds, with `_ms` at the end of the name. */
  record(name: string, value: number, labels?: Labels): void;
  /** Begins a span: a call to another service, retries included, worth a place in a trace. Left out: no spans. */
  startSpan?(name: string, labels?: Labels): TelemetrySpan;
}

/** A call under way that a {@link Telemetry} was told of. */
export interface TelemetrySpan {
  /**
   * Ends it; called once.
   *
   * @param outcome - `ok`, or the code of the error that ended the call.
   * @param labels - What was learnt during the call.
   */
  end(outcome: string, labels?: Labels): void;
}

/** Telemetry that goes nowhere; the default everywhere. */
export const noTelemetry: Telemetry = { count() {}, record() {} };
