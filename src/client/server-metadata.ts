import { allowInsecureRequests, customFetch, discoveryRequest, processDiscoveryResponse } from "oauth4webapi";
import { AuthError, TokenSourceError } from "../errors.js";
import { withDeadline } from "../lib/deadline.js";
import { createSingleFlight } from "../lib/single-flight.js";
import { createOAuthFetch, type OAuthDocument } from "./oauth-fetch.js";
import type { OAuthSettings } from "./oauth-options.js";
import { isRefusal, retryOAuth } from "./oauth-retry.js";
import { isServerUrl } from "./server-url.js";

/** Which document describes a server: that of RFC 8414, or that of OpenID Connect Discovery 1.0. */
export type DiscoveryKind = "oauth2" | "oidc";

/** What an authorization server says of itself. */
export interface ServerMetadata {
  /** Gives its token endpoint. Rejects with {@link TokenSourceError}, or with the signal's reason. */
  getTokenEndpoint(signal: AbortSignal): Promise<string>;
}

const LIMITS = {
  /** Older than this it is asked for anew, in the background. */
  freshMs: 60 * 60 * 1_000,
  /** Older than this it is not used any more. */
  longestMs: 24 * 60 * 60 * 1_000,
  /** How long the server is left alone after it failed. */
  backoffMs: 5_000,
  /** How long at most, when it asks for more. */
  longestBackoffMs: 60_000,
} as const;

/**
 * Creates the metadata of a server: asked for when it is first needed, by one request for all who wait, then kept for an
 * hour. After that it serves on while it is replaced in the background, for a day at most.
 *
 * What is taken from it is the token endpoint alone, and only from a document that names exactly the issuer that was
 * configured. It has to be `https:`, on whatever host; `http:` on this machine counts only when the issuer is there too,
 * so that no server elsewhere can send our requests to our own machine.
 *
 * `ERR_TOKEN_SOURCE_UNAVAILABLE` when the server cannot be asked at present, else `ERR_TOKEN_SOURCE_INVALID`. After a
 * failure it is left alone for 5 seconds, or up to a minute when it asks for that; until then callers get the same error.
 *
 * Spec: RFC 8414 sections 3 and 3.3, OpenID Connect Discovery 1.0 section 4.
 */
export function createServerMetadata(
  issuer: string,
  discovery: DiscoveryKind | undefined,
  settings: OAuthSettings,
): ServerMetadata {
  const { clock, totalTimeoutMs, telemetry } = settings;
  const allowLoopbackHttp = settings.allowLoopbackHttp && issuer.startsWith("http:");
  const flights = createSingleFlight<"metadata", string>();
  let held: { readonly tokenEndpoint: string; readonly obtainedAtMs: number } | undefined;
  let failure: { readonly error: AuthError; readonly untilMs: number } | undefined;

  const check = (document: OAuthDocument): { issuer: string; token_endpoint: string } => {
    const endpoint = document["token_endpoint"];
    // Compared as texts: URLs that are equal in some other sense belong to other servers.
    if (document["issuer"] !== issuer) throw invalid("names another issuer than the one that is configured");
    if (typeof endpoint !== "string" || !isServerUrl(endpoint, allowLoopbackHttp)) {
      throw invalid("has no token endpoint that may be asked");
    }
    return { issuer, token_endpoint: endpoint };
  };
  const send = createOAuthFetch(settings, { subject: "server metadata", check });

  const ask = async (algorithm: DiscoveryKind, signal: AbortSignal): Promise<string> => {
    const url = new URL(issuer);
    const response = await retryOAuth(
      () =>
        // The URL was held against stricter rules when it was configured.
        discoveryRequest(url, { algorithm, signal, [customFetch]: send, [allowInsecureRequests]: true }),
      settings,
      signal,
    );
    const { token_endpoint: endpoint } = await processDiscoveryResponse(url, response);
    if (endpoint === undefined) throw invalid("has no token endpoint that may be asked");
    return endpoint;
  };

  const discover = async (signal: AbortSignal): Promise<string> => {
    if (discovery !== undefined) return ask(discovery, signal);
    try {
      return await ask("oauth2", signal);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return ask("oidc", signal);
    }
  };

  const load = async (): Promise<string> => {
    // Shared by all who wait: it ends by its own deadline, not with the signal of one of them.
    const { signal } = new AbortController();
    const late = (): TokenSourceError =>
      new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "The server metadata was not answered in time");
    try {
      const tokenEndpoint = await withDeadline(discover, { timeoutMs: totalTimeoutMs, late, clock, signal });
      held = { tokenEndpoint, obtainedAtMs: clock.monotonicMs() };
      failure = undefined;
      telemetry.count("latchkey.client.discoveries", { outcome: "ok" });
      return tokenEndpoint;
    } catch (cause) {
      const error = toFailure(cause);
      const wantedMs = error instanceof TokenSourceError ? (error.retryAfterMs ?? 0) : 0;
      const backoffMs = Math.max(LIMITS.backoffMs, Math.min(wantedMs, LIMITS.longestBackoffMs));
      failure = { error, untilMs: clock.monotonicMs() + backoffMs };
      telemetry.count("latchkey.client.discoveries", { outcome: error.code });
      throw error;
    }
  };

  return {
    async getTokenEndpoint(signal) {
      const nowMs = clock.monotonicMs();
      const ageMs = held === undefined ? Number.POSITIVE_INFINITY : nowMs - held.obtainedAtMs;
      const isBackingOff = failure !== undefined && nowMs < failure.untilMs;
      if (held !== undefined && ageMs < LIMITS.longestMs) {
        // A failure is kept for the next time, and nobody waits for this one.
        if (ageMs >= LIMITS.freshMs && !isBackingOff) flights.run("metadata", load).catch(() => {});
        return held.tokenEndpoint;
      }
      if (failure !== undefined && isBackingOff) throw failure.error;
      return flights.run("metadata", load, signal);
    },
  };
}

/** That a document is not given says nothing about the client: it is the configuration that is wrong. */
function toFailure(error: unknown): AuthError {
  if (!isRefusal(error) && error instanceof AuthError) return error;
  return invalid(error instanceof AuthError ? "is not given" : "is not usable");
}

function invalid(what: string): TokenSourceError {
  return new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", `The metadata of the authorization server ${what}`);
}
