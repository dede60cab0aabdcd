import {
  allowInsecureRequests,
  customFetch,
  genericTokenEndpointRequest,
  type ClientAuth as LibraryClientAuth,
  processGenericTokenEndpointResponse,
} from "oauth4webapi";
import { AuthError, TokenSourceError } from "../errors.js";
import { attend, isUnattended, markUnattended } from "../lib/attendance.js";
import { withDeadline } from "../lib/deadline.js";
import { assertFunction, assertNonEmptyString } from "../lib/options.js";
import { raceSignal } from "../lib/signal.js";
import { createServerLocator } from "./authorization-server.js";
import type { ClientAuth } from "./client-auth.js";
import { createDpopNonces } from "./dpop-nonces.js";
import { readExtraHeaders } from "./extra-headers.js";
import { createOAuthFetch, type OAuthErrorCode } from "./oauth-fetch.js";
import { type OAuthOptions, readOAuthSettings } from "./oauth-options.js";
import { isRefusal, retryOAuth } from "./oauth-retry.js";
import { createServerTime } from "./server-time.js";
import { checkTokenDocument, type TokenResponse, toTokenResponse } from "./token-response.js";

export type { OAuthOptions } from "./oauth-options.js";
export { OAUTH_FIELDS } from "./oauth-options.js";
export type { TokenResponse } from "./token-response.js";

/** Options of {@link createTokenEndpoint}. */
export interface TokenEndpointOptions extends OAuthOptions {
  /** Who asks. Without `clientAuth` it is sent as it is, as a public client's. @defaultValue none */
  readonly clientId?: string;
  /** Proves who asks; needs `clientId`. @defaultValue none */
  readonly clientAuth?: ClientAuth;
  /** Sent with every request to the token endpoint, copied now. @defaultValue none */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Parameters of a grant, or a function that gives them for each request: for what is used up by being sent. */
export type GrantParameters = URLSearchParams | ((signal: AbortSignal) => Promise<URLSearchParams>);

/** A token endpoint as the sources use it. */
export interface TokenEndpoint {
  /** Issuer identifier of the server, as configured. */
  readonly issuer: string;
  /** Tells endpoint and client apart from others, for cache keys. Nothing in it is secret. */
  readonly identity: string;
  /**
   * Asks for a token.
   *
   * Faults that may pass (network, deadline, status 408, 429, 5xx) are repeated within `totalTimeoutMs`, no sooner than
   * the server asks with `retry-after`; each request has a new assertion. A refusal is repeated once, when its answer
   * shows that the clock the assertion or the proof was made by is more than 10 seconds off; and once for want of a
   * nonce in the proof.
   *
   * Rejects with {@link TokenSourceError} `ERR_TOKEN_SOURCE_REFUSED` (any other 4xx), `ERR_TOKEN_SOURCE_UNAVAILABLE`,
   * `ERR_TOKEN_SOURCE_INVALID` (the answer is no token, a redirect, or the metadata cannot be used), with an error of
   * latchkey that the client authentication or the parameters gave, or with the signal's reason. Nothing that was
   * answered is part of an error.
   */
  request(
    grantType: string,
    parameters: GrantParameters,
    options: { readonly signal: AbortSignal },
  ): Promise<TokenResponse>;
}

/** A failure here is one that is no reason to send the request again. */
type Outcome = { readonly response: TokenResponse } | { readonly failure: unknown };

/** What assertions bear with: they are backdated by as much. */
const BEARABLE_DIFFERENCE_MS = 10_000;
/** The library wants a client's name even where there is none; it is sent by {@link ClientAuth} alone. */
const NO_CLIENT = "none";
/** Headers that belong to the request itself. */
const OWN_HEADERS = ["authorization", "accept", "content-type", "content-length", "host", "cookie", "dpop"];

/**
 * Creates the client's side of a token endpoint. Nothing is sent before the first request.
 *
 * Spec: RFC 6749 sections 3.2 and 5, RFC 7521 section 4, RFC 9449 sections 5 and 8.
 *
 * @throws TypeError or RangeError naming the option and what it accepts.
 */
export function createTokenEndpoint(options: TokenEndpointOptions): TokenEndpoint {
  const { clientId, clientAuth, dpop } = options;
  const settings = readOAuthSettings(options);
  const { clock, totalTimeoutMs, telemetry } = settings;
  const server = createServerLocator(settings);
  assertClient(clientId, clientAuth);
  if (clientAuth?.boundToEndpoint === true && server.tokenEndpoint === undefined) {
    // Metadata must not decide whom an assertion is made for.
    throw new TypeError("clientAuth is made for the token endpoint: give authorizationServer.tokenEndpoint");
  }
  if (dpop !== undefined) assertFunction("dpop.createProof", dpop?.createProof);
  const headers = readExtraHeaders(options.headers ?? {}, OWN_HEADERS);
  const { issuer } = server;
  const client = { client_id: clientId ?? NO_CLIENT };
  const serverTime = createServerTime(clock);
  const tokenType = dpop === undefined ? "bearer" : "dpop";
  const nonces = createDpopNonces();

  const authenticate =
    (tokenEndpoint: string): LibraryClientAuth =>
    async (_server, _client, body, requestHeaders) => {
      if (clientId === undefined) return;
      if (clientAuth === undefined) {
        body.set("client_id", clientId);
        return;
      }
      const nowMs = serverTime.nowMs();
      await clientAuth.authenticate({ issuer, tokenEndpoint, clientId, nowMs, body, headers: requestHeaders });
    };

  const attempt = async (
    tokenEndpoint: string,
    grantType: string,
    parameters: GrantParameters,
    signal: AbortSignal,
    hasNonce = false,
  ): Promise<Outcome> => {
    let startedMs: number | undefined;
    let serverTimeMs: number | undefined;
    let sentNonce: string | undefined;
    let refusedFor: OAuthErrorCode | undefined;
    const { origin } = new URL(tokenEndpoint);
    const send = createOAuthFetch(settings, {
      subject: "token endpoint",
      check: (document) => checkTokenDocument(document, tokenType),
      onHeaders(answered) {
        serverTimeMs = serverTime.note(answered);
        if (dpop !== undefined) nonces.note(origin, answered);
      },
      onRefused(reason) {
        refusedFor = reason;
      },
    });
    const prove = async (plain: Record<string, string>): Promise<Record<string, string>> => {
      if (dpop === undefined) return plain;
      sentNonce = nonces.get(origin);
      const wanted = { method: "POST", url: tokenEndpoint, nonce: sentNonce, nowMs: serverTime.nowMs() };
      return { ...plain, dpop: await dpop.createProof(wanted) };
    };
    const as = { issuer, token_endpoint: tokenEndpoint };
    try {
      const given = typeof parameters === "function" ? await parameters(signal) : parameters;
      const response = await genericTokenEndpointRequest(as, client, authenticate(tokenEndpoint), grantType, given, {
        headers,
        signal,
        async [customFetch](url, init) {
          const proven = { ...init, headers: await prove(init.headers) };
          startedMs = clock.monotonicMs();
          return send(url, proven);
        },
        // The URL was held against stricter rules when it was configured or discovered.
        [allowInsecureRequests]: true,
      });
      const requestedAtMs = clock.nowMs() - (clock.monotonicMs() - (startedMs ?? 0));
      const processed = await processGenericTokenEndpointResponse(as, client, response);
      const document = checkTokenDocument({ ...processed }, tokenType);
      const times = { requestedAtMs, serverAheadMs: serverTime.aheadMs, serverTimeMs };
      return { response: toTokenResponse(document, times) };
    } catch (error) {
      // What could not even be sent has been tried as often as whoever makes it saw fit.
      if (startedMs === undefined) return { failure: toUnsent(error) };
      // RFC 9449 section 8: the nonce came along with the refusal. With the same one the server would say the same.
      if (refusedFor === "use_dpop_nonce" && !hasNonce && nonces.get(origin) !== sentNonce) {
        return attempt(tokenEndpoint, grantType, parameters, signal, true);
      }
      throw error instanceof AuthError ? error : unusable();
    }
  };

  const run = async (grantType: string, parameters: GrantParameters, signal: AbortSignal): Promise<TokenResponse> => {
    const tokenEndpoint = await server.locate(signal);
    let assumedMs = 0;
    const send = (): Promise<Outcome> => {
      assumedMs = serverTime.aheadMs;
      return attempt(tokenEndpoint, grantType, parameters, signal);
    };
    const outcome = await retryOAuth(send, settings, signal).catch((error: unknown) => {
      const correctedByMs = Math.abs(serverTime.aheadMs - assumedMs);
      const isDated = clientAuth !== undefined || dpop !== undefined;
      if (!isRefusal(error) || !isDated || correctedByMs <= BEARABLE_DIFFERENCE_MS) throw error;
      return send();
    });
    if ("failure" in outcome) throw outcome.failure;
    return outcome.response;
  };

  return {
    issuer,
    identity: JSON.stringify([issuer, server.tokenEndpoint ?? null, clientId ?? null]),
    async request(grantType, parameters, { signal }) {
      const work = (own: AbortSignal): Promise<TokenResponse> => {
        // Sources that the parameters come from are told too.
        if (isUnattended(signal)) markUnattended(own);
        return raceSignal(run(grantType, parameters, own), own);
      };
      try {
        const answer = withDeadline(work, { timeoutMs: totalTimeoutMs, late, clock, signal });
        const response = await attend(answer, clock, signal);
        telemetry.count("latchkey.client.token_requests", { outcome: "ok" });
        return response;
      } catch (error) {
        const outcome = error instanceof AuthError ? error.code : "aborted";
        telemetry.count("latchkey.client.token_requests", { outcome });
        throw error;
      }
    },
  };
}

function assertClient(clientId: string | undefined, clientAuth: ClientAuth | undefined): void {
  if (clientId !== undefined) assertNonEmptyString("clientId", clientId);
  if (clientAuth === undefined) return;
  assertFunction("clientAuth.authenticate", clientAuth?.authenticate);
  if (clientId === undefined) throw new TypeError("clientAuth needs a clientId");
}

function late(): TokenSourceError {
  return new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "The token endpoint was not answered in time");
}

function unusable(): TokenSourceError {
  // No cause: the library's errors hold the answer.
  return new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", "The answer of the token endpoint is not usable");
}

function toUnsent(cause: unknown): AuthError {
  if (cause instanceof AuthError) return cause;
  return new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", "The token request could not be made", { cause });
}
