import type { Jwks } from "../jwks/jwks.js";
import { resolveJwksOptions, toUrlRules } from "../jwks/jwks-options.js";
import { acquireNothing, openJwks } from "../jwks/open-jwks.js";
import { parseJwksUrl } from "../jwks/url.js";
import type { Clock } from "../lib/clock.js";
import { assertPositive, typeName } from "../lib/options.js";
import type { Telemetry } from "../telemetry/telemetry.js";
import { createDiscoveredSource } from "./discovered-source.js";
import { createJwksSource } from "./jwks-source.js";
import type { KeySource } from "./key-source.js";
import { createLookUpSource } from "./look-up-source.js";
import { assertDiscoverable } from "./metadata-urls.js";
import { createStaticSource } from "./static-source.js";
import type { TrustedIssuer } from "./trusted-issuer.js";

/** What all key sources of a verifier share. */
export interface KeySourceContext {
  /** Permits `http:` to a loopback host. */
  readonly allowLoopbackHttp: boolean;
  /** Most look-ups under way, per issuer. */
  readonly maxPending: number;
  /** Where measurements go. */
  readonly telemetry: Telemetry;
  /** Time. */
  readonly clock: Clock;
}

const SOURCES = ["jwksUri", "discovery", "jwks", "keys", "findKey"] as const satisfies readonly (keyof TrustedIssuer)[];
const DEFAULTS = { findKeyMaxAgeMs: 5 * 1_000 } as const satisfies Partial<TrustedIssuer>;

/**
 * Opens the one source of keys that an issuer is configured with. Nothing is fetched yet.
 *
 * @param field - What the issuer is called in error messages.
 * @throws TypeError or RangeError naming the field.
 */
export function openKeySource(trusted: TrustedIssuer, context: KeySourceContext, field: string): KeySource {
  const given = SOURCES.filter((name) => trusted[name] !== undefined);
  if (given.length !== 1) throw new TypeError(`${field} must have exactly one of ${SOURCES.join(", ")}`);
  const { jwksUri, discovery, jwksOptions, jwks, keys, findKey, findKeyMaxAgeMs } = trusted;
  const isFetched = jwksUri !== undefined || discovery !== undefined;
  assertBelongs(`${field}.jwksOptions`, jwksOptions, isFetched, "jwksUri or discovery");
  assertBelongs(`${field}.findKeyMaxAgeMs`, findKeyMaxAgeMs, findKey !== undefined, "findKey");
  if (findKey !== undefined) {
    if (typeof findKey !== "function") {
      throw new TypeError(`${field}.findKey must be a function, got ${typeName(findKey)}`);
    }
    const maxAgeMs = findKeyMaxAgeMs ?? DEFAULTS.findKeyMaxAgeMs;
    assertPositive(`${field}.findKeyMaxAgeMs`, maxAgeMs);
    return createLookUpSource({ ...context, findKey, maxAgeMs });
  }
  if (jwks !== undefined) {
    if (!isJwks(jwks)) throw new TypeError(`${field}.jwks must be what createJwks() gives, got ${typeName(jwks)}`);
    return createJwksSource(jwks, false);
  }
  if (isFetched) return openFetched(trusted, context, field);
  return createStaticSource(keys, `${field}.keys`);
}

/** Checked here, so that a message names the field as it is called here. */
function openFetched(trusted: TrustedIssuer, context: KeySourceContext, field: string): KeySource {
  const { issuer, jwksUri, discovery, jwksOptions } = trusted;
  const { allowLoopbackHttp, clock, telemetry } = context;
  const options = { allowLoopbackHttp, clock, telemetry, ...jwksOptions };
  const settings = resolveJwksOptions(options, `${field}.jwksOptions`);
  const rules = toUrlRules(settings, `${field}.jwksOptions`);
  if (jwksUri !== undefined) {
    const href = parseJwksUrl(jwksUri, rules, `${field}.jwksUri`);
    return createJwksSource(openJwks({ href, rules, acquireSlot: acquireNothing }, settings), true);
  }
  if (discovery !== true) throw new TypeError(`${field}.discovery must be true, or left out`);
  assertDiscoverable(issuer, rules, `${field}.issuer`);
  return createDiscoveredSource({ issuer, rules }, settings);
}

function assertBelongs(field: string, value: unknown, belongs: boolean, source: string): void {
  if (value !== undefined && !belongs) throw new TypeError(`${field} has no effect without ${source}`);
}

function isJwks(jwks: unknown): jwks is Jwks {
  return typeof jwks === "function" && "getKey" in jwks && "peekKey" in jwks && "onChange" in jwks;
}
