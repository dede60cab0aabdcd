import type { Clock } from "../lib/clock.js";
import { assertFields, assertFunction, type FieldsOf, withoutUndefined } from "../lib/options.js";
import type { Telemetry } from "../telemetry/telemetry.js";
import { parseAllowedDomains } from "./allowed-domains.js";
import { resolveJwksOptions } from "./jwks-options.js";
import type { JwksRegistryEvent } from "./jwks-registry.js";
import { type JwksProviderOptions, type RegistrationContext, resolveDefaults } from "./registration.js";
import { type RequestLimits, resolveRequestLimits } from "./request-limiter.js";
import type { SnapshotOptions } from "./snapshot-store.js";

/** Options of {@link createJwksRegistry}; every field has a default. */
export interface JwksRegistryOptions {
  /** What registrations use for options they do not set. @defaultValue the defaults of {@link createJwks} */
  readonly defaults?: JwksProviderOptions;
  /** Domains that every URL must be of, whatever a registration allows; as `allowedDomains` there. @defaultValue any */
  readonly allowedDomains?: readonly string[];
  /** Most requests under way at a time, over all tenants. @defaultValue `64` */
  readonly maxConcurrentRequests?: number;
  /** Most requests of one tenant under way at a time. @defaultValue `8` */
  readonly maxConcurrentRequestsPerTenant?: number;
  /** Keeps key sets over a restart, and shares them between processes. @defaultValue none */
  readonly snapshots?: SnapshotOptions;
  /** Where measurements go, labelled `tenant` and `provider`. @defaultValue nowhere */
  readonly telemetry?: Telemetry;
  /** Told what happens to each key set. What it throws is ignored. @defaultValue nobody */
  readonly onEvent?: (event: JwksRegistryEvent) => void;
  /** Time. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** {@link JwksRegistryOptions} that were found good; those of snapshots are left to who keeps them. */
export interface RegistrySettings extends RegistrationContext {
  readonly limits: RequestLimits;
  readonly onEvent: (event: JwksRegistryEvent) => void;
}

const OPTIONS: FieldsOf<JwksRegistryOptions> = {
  defaults: true,
  allowedDomains: true,
  maxConcurrentRequests: true,
  maxConcurrentRequestsPerTenant: true,
  snapshots: true,
  telemetry: true,
  onEvent: true,
  clock: true,
};

/**
 * Checks options and fills in the defaults.
 *
 * @param field - What the options are called in error messages, such as `options`.
 * @throws TypeError or RangeError naming the field that is unknown or cannot be used.
 */
export function resolveRegistryOptions(options: JwksRegistryOptions, field: string): RegistrySettings {
  assertFields(field, options, OPTIONS);
  const { onEvent = () => {} } = options;
  assertFunction(`${field}.onEvent`, onEvent);
  // Each key cache gets these two as they are: what is wrong with them shows here, and not at a registration.
  const ports = withoutUndefined({ telemetry: options.telemetry, clock: options.clock });
  const { telemetry, clock } = resolveJwksOptions(ports, field);
  return {
    defaults: resolveDefaults(options.defaults ?? {}, `${field}.defaults`),
    allowedDomains: parseAllowedDomains(options.allowedDomains, `${field}.allowedDomains`),
    limits: resolveRequestLimits(options, field),
    onEvent,
    telemetry,
    clock,
  };
}
