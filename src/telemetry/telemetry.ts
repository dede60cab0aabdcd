/** Labels of a measurement: configured names and codes only, never a value that a caller chose. */
export type Labels = Readonly<Record<string, string>>;

/** Where measurements go: a port that {@link otelTelemetry} or an adapter of your own implements. */
export interface Telemetry {
  /** Adds 1 to a counter. Names are dotted, such as `latchkey.jwks.refreshes`. */
  count(name: string, labels?: Labels): void;
  /** Records one value of a distribution; durations in milliseconds, with `_ms` at the end of the name. */
  record(name: string, value: number, labels?: Labels): void;
}

/** Telemetry that goes nowhere; the default everywhere. */
export const noTelemetry: Telemetry = { count() {}, record() {} };
