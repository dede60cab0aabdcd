import { assertFields, assertNonEmptyString, type FieldsOf, withoutUndefined } from "../lib/options.js";
import { type AllowedDomain, intersectDomains } from "./allowed-domains.js";
import { type JwksFetch, type JwksOptions, type JwksSettings, resolveJwksOptions, toUrlRules } from "./jwks-options.js";
import { parseJwksUrl, type UrlRules } from "./url.js";

/** Options that a registration may set; the registry gives the rest. Every one has a default. */
export type JwksProviderOptions = Omit<JwksOptions, "telemetry" | "labels" | "onEvent" | "clock">;

/** An issuer of a tenant, as it is registered. */
export interface JwksRegistration extends JwksProviderOptions {
  /** Whose it is; 1 to 128 characters of `A-Z a-z 0-9 . _ -`, and not `.` or `..`. */
  readonly tenantId: string;
  /** Which of the tenant's issuers; spelt as `tenantId` is. */
  readonly providerId: string;
  /** Absolute `https:` URL of the key set; see {@link createJwks}. */
  readonly url: string | URL;
  /** "iss" of the tokens that these keys verify. Bound into snapshots. @defaultValue none */
  readonly issuer?: string;
}

/** A registration that was found good, with every option set. */
export interface ResolvedRegistration {
  readonly tenantId: string;
  readonly providerId: string;
  readonly issuer: string | undefined;
  /** The URL in normal form. */
  readonly href: string;
  /** What it was checked against. */
  readonly rules: UrlRules;
  readonly settings: JwksSettings;
}

/** What the registry gives to every registration. */
export interface RegistrationContext extends Required<Pick<JwksOptions, "telemetry" | "clock">> {
  /** What registrations use for options they do not set. */
  readonly defaults: JwksProviderOptions;
  /** Domains that every URL must be of, whatever a registration allows; undefined: any. */
  readonly allowedDomains: readonly AllowedDomain[] | undefined;
}

const OPTION_FIELDS: FieldsOf<JwksProviderOptions> = {
  minTtlMs: true,
  maxTtlMs: true,
  fallbackTtlMs: true,
  refreshEarlyMs: true,
  refreshJitterMs: true,
  attemptTimeoutMs: true,
  totalTimeoutMs: true,
  retries: true,
  retryMinDelayMs: true,
  retryMaxDelayMs: true,
  retryJitter: true,
  cooldownMs: true,
  breakerFailures: true,
  breakerOpenMs: true,
  staleWhileErrorMs: true,
  maxBodyBytes: true,
  maxKeys: true,
  maxPendingCallers: true,
  allowedDomains: true,
  maxRedirects: true,
  allowLoopbackHttp: true,
  fetch: true,
};
const REGISTRATION_FIELDS: FieldsOf<JwksRegistration> = {
  ...OPTION_FIELDS,
  tenantId: true,
  providerId: true,
  url: true,
  issuer: true,
};

// Ids are path segments of the admin's URLs, where "." and ".." would mean another path.
const ID = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}$/;

/**
 * Checks a registration and fills in the defaults.
 *
 * @param field - What it is called in error messages, such as `registration`.
 * @throws TypeError or RangeError naming the field that is missing, unknown or cannot be used.
 */
export function resolveRegistration(
  registration: JwksRegistration,
  { defaults, allowedDomains, telemetry, clock }: RegistrationContext,
  field: string,
): ResolvedRegistration {
  assertFields(field, registration, REGISTRATION_FIELDS);
  const { tenantId, providerId, url, issuer, ...options } = registration;
  assertId(`${field}.tenantId`, tenantId);
  assertId(`${field}.providerId`, providerId);
  if (issuer !== undefined) assertNonEmptyString(`${field}.issuer`, issuer);
  const labels = { tenant: tenantId, provider: providerId };
  const given = { ...defaults, ...withoutUndefined(options), telemetry, clock, labels };
  const settings = resolveJwksOptions(given, field);
  const own = toUrlRules(settings, field);
  const rules = { ...own, allowedDomains: intersectDomains(allowedDomains, own.allowedDomains) };
  const href = parseJwksUrl(url, rules, `${field}.url`);
  assertSendable(`${field}.url`, href, settings.fetch);
  return { tenantId, providerId, issuer, href, rules, settings };
}

/**
 * Checks what registrations are to use for options they do not set.
 *
 * @param field - What the options are called in error messages, such as `options.defaults`.
 * @throws TypeError or RangeError naming the field that is unknown or cannot be used.
 */
export function resolveDefaults(defaults: JwksProviderOptions, field: string): JwksProviderOptions {
  assertFields(field, defaults, OPTION_FIELDS);
  toUrlRules(resolveJwksOptions(defaults, field), field);
  return withoutUndefined(defaults);
}

/** Has the refusal of a fetch name the field. What the fetch itself says stays inside: operators see the message. */
function assertSendable(field: string, href: string, fetch: JwksFetch): void {
  try {
    fetch.assertHost?.(new URL(href).hostname);
  } catch (cause) {
    throw new TypeError(`${field} must be of a host that the fetch in use sends to`, { cause });
  }
}

function assertId(field: string, value: unknown): void {
  assertNonEmptyString(field, value);
  if (ID.test(value)) return;
  throw new TypeError(`${field} must be 1 to 128 characters of A-Z a-z 0-9 . _ -, and not "." or ".."`);
}
