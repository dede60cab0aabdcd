import { type Clock, systemClock } from "../lib/clock.js";
import {
  assertBoolean,
  assertCount,
  assertFunction,
  assertPositive,
  type FieldsOf,
  withoutUndefined,
} from "../lib/options.js";
import { createGuardedTelemetry } from "../telemetry/guarded-telemetry.js";
import { noTelemetry, type Telemetry } from "../telemetry/telemetry.js";
import type { AuthorizationServer } from "./authorization-server.js";
import type { DpopProofs } from "./dpop-proofs.js";

/** The part of the global `fetch` that the OAuth sources use. */
export type OAuthFetch = (url: string, init: RequestInit) => Promise<Response>;

/** What all sources that ask an authorization server have in common. Durations in milliseconds. */
export interface OAuthOptions {
  /** Who issues the tokens, and how its token endpoint is found. */
  readonly authorizationServer: AuthorizationServer;
  /**
   * Has the tokens bound to the key of these proofs; give the same to `bearerAuth`. A server that answers with a bearer
   * token then fails the request. @defaultValue none: whoever has a token can use it
   */
  readonly dpop?: DpopProofs;
  /** Sends the requests; redirects, deadlines and caps are enforced whatever it does. @defaultValue the global `fetch` */
  readonly fetch?: OAuthFetch;
  /** Longest duration of one request, its body included. @defaultValue `5_000` (5 seconds) */
  readonly attemptTimeoutMs?: number;
  /** Longest duration of everything: discovery, requests and the waits between them. @defaultValue `15_000` (15 seconds) */
  readonly totalTimeoutMs?: number;
  /** How often a request is repeated that failed in a way that may pass; 0: never. @defaultValue `2` */
  readonly retries?: number;
  /** Permits `http:` for `localhost`, `127.0.0.0/8` and `[::1]`. @defaultValue `true` */
  readonly allowLoopbackHttp?: boolean;
  /** Where requests are counted. @defaultValue nowhere */
  readonly telemetry?: Telemetry;
  /** Time of deadlines, waits and assertions. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

/** The fields of {@link OAuthOptions}, for sources that check theirs by name. */
export const OAUTH_FIELDS: FieldsOf<OAuthOptions> = {
  authorizationServer: true,
  dpop: true,
  fetch: true,
  attemptTimeoutMs: true,
  totalTimeoutMs: true,
  retries: true,
  allowLoopbackHttp: true,
  telemetry: true,
  clock: true,
};

/** {@link OAuthOptions} checked, with every field set that concerns all requests. */
export type OAuthSettings = Required<Omit<OAuthOptions, "dpop">>;

const DEFAULTS = {
  attemptTimeoutMs: 5_000,
  totalTimeoutMs: 15_000,
  retries: 2,
  allowLoopbackHttp: true,
} satisfies Partial<OAuthOptions>;

/**
 * Checks what the OAuth sources have in common; the authorization server is left to whoever asks it.
 *
 * @throws TypeError or RangeError naming the field and what it accepts.
 */
export function readOAuthSettings(options: OAuthOptions): OAuthSettings {
  const settings = {
    ...DEFAULTS,
    // Looked up at each request, so that whoever instruments the global one later is served too.
    fetch: (url: string, init: RequestInit) => fetch(url, init),
    clock: systemClock,
    ...withoutUndefined(options),
  };
  assertFunction("fetch", settings.fetch);
  assertPositive("attemptTimeoutMs", settings.attemptTimeoutMs);
  assertPositive("totalTimeoutMs", settings.totalTimeoutMs);
  assertCount("retries", settings.retries);
  assertBoolean("allowLoopbackHttp", settings.allowLoopbackHttp);
  return {
    ...settings,
    authorizationServer: options.authorizationServer,
    telemetry: createGuardedTelemetry(options.telemetry ?? noTelemetry),
  };
}
