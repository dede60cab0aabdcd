import { AuthError, TokenSourceError } from "../errors.js";
import { withoutUndefined } from "../lib/options.js";
import { readLimited } from "../lib/read-limited.js";
import { readRetryAfterMs } from "../lib/retry-after.js";
import { raceSignal } from "../lib/signal.js";
import { parseStrictJsonObject } from "../token/strict-json.js";
import type { OAuthSettings } from "./oauth-options.js";

/** A document of an authorization server: JSON without repeated members, deeply frozen. */
export type OAuthDocument = Readonly<Record<string, unknown>>;

/** What `oauth4webapi` asks a fetch for. */
interface OAuthRequestInit {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: URLSearchParams | undefined;
  readonly signal?: AbortSignal;
}

/** Options of {@link createOAuthFetch}. */
export interface OAuthFetchOptions {
  /** What is asked, for messages. */
  readonly subject: "token endpoint" | "server metadata";
  /** Looks at a document and gives the part of it that may be relied upon; throws when it cannot be used. */
  readonly check: (document: OAuthDocument) => object;
  /** Told of the headers of each answer, whatever its status. */
  readonly onHeaders?: (headers: Headers) => void;
  /** Told of the error code of each refusal, if it is a registered one. */
  readonly onRefused?: (reason: OAuthErrorCode) => void;
}

/** Longest body that is read of any answer, in bytes after decompression. */
const MAX_BODY_BYTES = 64 * 1024;

const JSON_TYPE = /^application\/json\s*(?:;|$)/i;
// RFC 6749 sections 4.1.2.1 and 5.2, RFC 8707 section 2, RFC 9449 section 12.2. Only these are ever repeated in a
// message, in our own spelling.
const ERROR_CODES = [
  "invalid_request",
  "invalid_client",
  "invalid_grant",
  "unauthorized_client",
  "unsupported_grant_type",
  "invalid_scope",
  "invalid_target",
  "access_denied",
  "invalid_dpop_proof",
  "use_dpop_nonce",
] as const;

/** Why a request was refused, as far as it is registered. */
export type OAuthErrorCode = (typeof ERROR_CODES)[number];

/**
 * Creates the fetch that stands between `oauth4webapi` and the network: one request, one answer, checked before
 * anybody else sees it.
 *
 * No redirect is followed, for a followed one would carry a client's assertion to a place that nobody configured. The
 * deadline covers the body, the cap counts inflated bytes, and when either strikes the connection is closed. What it
 * gives is a new answer with the checked part of the document.
 *
 * Rejects with {@link TokenSourceError} `ERR_TOKEN_SOURCE_UNAVAILABLE` when another try may help (network, deadline, status
 * 408, 429, 5xx), with the wait that the answer asks for; `ERR_TOKEN_SOURCE_REFUSED` for any other status of 4xx;
 * `ERR_TOKEN_SOURCE_INVALID` for what is no document; or with the signal's reason. No error has a cause: that of a fetch
 * may quote the request or the answer.
 *
 * Spec: RFC 6749 sections 5.1 and 5.2, RFC 9110 sections 15.4 and 10.2.3.
 */
export function createOAuthFetch(
  settings: OAuthSettings,
  { subject, check, onHeaders, onRefused }: OAuthFetchOptions,
): (url: string, init: OAuthRequestInit) => Promise<Response> {
  const { clock, attemptTimeoutMs } = settings;

  const read = async (response: Response, signal: AbortSignal): Promise<OAuthDocument> => {
    const { headers } = response;
    if (!JSON_TYPE.test(headers.get("content-type") ?? "")) throw invalid(subject, "in another type than JSON");
    const bytes = await readLimited(response.body, MAX_BODY_BYTES, signal);
    if (bytes === undefined) throw invalid(subject, `with more than ${MAX_BODY_BYTES} bytes`);
    const document = parseStrictJsonObject(bytes);
    if (document === undefined) throw invalid(subject, "with something that is not a JSON object");
    return document;
  };

  const refused = async (response: Response, signal: AbortSignal): Promise<TokenSourceError> => {
    // A refusal stays one whether or not its body can be read.
    const document = await read(response, signal).catch(() => undefined);
    const reason = ERROR_CODES.find((code) => code === document?.["error"]);
    if (reason !== undefined) onRefused?.(reason);
    const text = `was answered with status ${response.status}${reason === undefined ? "" : `, ${reason}`}`;
    return new TokenSourceError("ERR_TOKEN_SOURCE_REFUSED", `The request to the ${subject} ${text}`);
  };

  const answer = async (url: string, init: OAuthRequestInit, signal: AbortSignal): Promise<Response> => {
    const response = await raceSignal(send(settings, url, init, signal), signal);
    const { status, headers, type, redirected } = response;
    onHeaders?.(headers);
    // In a browser a redirect that was not followed has no status.
    if (redirected || type === "opaqueredirect" || (status >= 300 && status < 400)) {
      throw invalid(subject, "with a redirect");
    }
    if (status === 408 || status === 429 || status >= 500) {
      const retryAfterMs = readRetryAfterMs(headers, clock.nowMs());
      throw unavailable(subject, `was answered with status ${status}`, retryAfterMs);
    }
    if (status >= 400) throw await refused(response, signal);
    if (status !== 200) throw invalid(subject, `with status ${status}`);
    return Response.json(check(await read(response, signal)));
  };

  return async (url, init) => {
    const caller = init.signal;
    caller?.throwIfAborted();
    const attempt = new AbortController();
    const stop = (): void => attempt.abort(caller?.reason);
    caller?.addEventListener("abort", stop, { once: true });
    const late = (): void => attempt.abort(unavailable(subject, "was not answered in time"));
    const timer = clock.setTimer(late, attemptTimeoutMs);
    try {
      return await answer(url, init, attempt.signal);
    } catch (error) {
      if (caller?.aborted === true) throw caller.reason;
      throw error instanceof AuthError ? error : unavailable(subject, `failed${describeFault(error)}`);
    } finally {
      timer[Symbol.dispose]();
      caller?.removeEventListener("abort", stop);
      // Closes the connection of an answer that was not read to its end; after the end it does nothing.
      attempt.abort();
    }
  };
}

async function send(
  // Taken out of the settings: that of a browser refuses to be called as a method of anything else.
  { fetch }: OAuthSettings,
  url: string,
  { method, headers, body }: OAuthRequestInit,
  signal: AbortSignal,
): Promise<Response> {
  const response = await fetch(url, {
    method,
    headers,
    ...(body !== undefined && { body }),
    // Cookies and other ambient authority of a browser have no business here: the client has credentials of its own.
    credentials: "omit",
    redirect: "manual",
    signal,
  });
  // A fetch that ignores its signal may answer when nobody waits any more.
  if (signal.aborted) response.body?.cancel().catch(() => {});
  return response;
}

/** Names a fault of the network by its code, which is all of it that cannot quote what was sent or answered. */
function describeFault(error: unknown): string {
  const { code, cause } = toFields(error);
  const name = typeof code === "string" ? code : toFields(cause).code;
  return typeof name === "string" && /^[A-Z][A-Z0-9_]{1,40}$/.test(name) ? ` (${name})` : "";
}

function toFields(error: unknown): { readonly code?: unknown; readonly cause?: unknown } {
  return typeof error === "object" && error !== null ? error : {};
}

function invalid(subject: string, what: string): TokenSourceError {
  return new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", `The request to the ${subject} was answered ${what}`);
}

function unavailable(subject: string, what: string, retryAfterMs?: number): TokenSourceError {
  const message = `The request to the ${subject} ${what}`;
  return new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", message, withoutUndefined({ retryAfterMs }));
}
