/**
 * `latchkey/otel`: measurements and spans for OpenTelemetry. Needs the optional peer `@opentelemetry/api`.
 *
 * @module
 */

export { type OtelTelemetryOptions, otelTelemetry } from "./telemetry/otel-telemetry.js";
export type { Labels, Telemetry, TelemetrySpan } from "./telemetry/telemetry.js";
