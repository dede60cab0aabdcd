/**
 * `latchkey/otel`: measurements for OpenTelemetry. Needs the optional peer `@opentelemetry/api`.
 *
 * @module
 */

export { type OtelTelemetryOptions, otelTelemetry } from "./telemetry/otel-telemetry.js";
export type { Labels, Telemetry } from "./telemetry/telemetry.js";
