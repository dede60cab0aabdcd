import { AuthError, KeysUnavailableError } from "../errors.js";
import type { Clock } from "../lib/clock.js";
import { withoutUndefined } from "../lib/options.js";
import { readRetryAfterMs } from "../lib/retry-after.js";
import { raceSignal } from "../lib/signal.js";
import type { JwksFetch } from "./jwks-options.js";
import { readJsonBody } from "./read-body.js";
import { isRedirect, parseRedirect } from "./redirect.js";
import type { UrlRules } from "./url.js";
import { toConditions, type Validators } from "./validators.js";

/** One request for a key set. */
export interface JwksRequest {
  /** Checked URL of the set. */
  readonly url: string;
  /** Longest duration, redirects and body included, in milliseconds. */
  readonly timeoutMs: number;
  /** Longest body, in bytes after decompression. */
  readonly maxBodyBytes: number;
  /** How many redirects are followed; 0: none. */
  readonly maxRedirects: number;
  /** Where they may lead, beside the origin of `url`. */
  readonly rules: UrlRules;
  /** What identifies the set in hand, so that it need not be sent again; undefined without one. */
  readonly validators: Validators | undefined;
  /** Sends it. */
  readonly fetch: JwksFetch;
  /** Time of the deadline. */
  readonly clock: Clock;
}

/** What was answered: JSON that nobody has looked at yet, or that the set in hand is still the one. */
export type JwksResponse =
  | { readonly notModified: false; readonly body: unknown; readonly headers: Headers }
  | { readonly notModified: true; readonly headers: Headers };

const ACCEPT = "application/jwk-set+json, application/json";
const JSON_TYPE = /^(?:application\/json|[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+\+json)\s*(?:;|$)/i;

/**
 * Asks once for a key set.
 *
 * A redirect is followed within the origin alone, and only as often as permitted: it would let whoever answers send the
 * request to a place that nobody configured. The deadline covers all redirects and the body, the byte cap the inflated
 * body; when either strikes, the connection is closed.
 *
 * Rejects with {@link KeysUnavailableError} `ERR_KEYS_UNAVAILABLE` when another try may help (network, deadline, status
 * 408, 429, 5xx), with the wait that the answer asks for; `ERR_KEYS_INVALID` when the answer is not a JSON document, a
 * redirect that is not followed, or "not modified" without a set in hand; or with the signal's reason.
 *
 * Spec: RFC 9110 sections 13.1.2, 13.1.3, 15.4 and 10.2.3.
 */
export async function fetchJwks(request: JwksRequest, signal: AbortSignal): Promise<JwksResponse> {
  signal.throwIfAborted();
  const attempt = new AbortController();
  const stop = (): void => attempt.abort(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  const timer = request.clock.setTimer(() => attempt.abort(unavailable("was not answered in time")), request.timeoutMs);
  try {
    const conditions = toConditions(request.validators);
    const response = await sendOn(request, conditions, attempt.signal);
    const { status, headers } = response;
    assertAnswered(response, request.clock);
    if (status === 304) {
      if (Object.keys(conditions).length === 0) throw invalid("was answered with not modified, but nothing was held");
      return { notModified: true, headers };
    }
    if (status !== 200) throw invalid(`was answered with status ${status}`);
    if (!JSON_TYPE.test(headers.get("content-type") ?? "")) throw invalid("was answered with another type than JSON");
    const body = await readJsonBody(response, request.maxBodyBytes, attempt.signal);
    return { notModified: false, body, headers };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw error instanceof AuthError ? error : unavailable("failed", { cause: error });
  } finally {
    timer[Symbol.dispose]();
    signal.removeEventListener("abort", stop);
    // Closes the connection of an answer that was not read to its end; after the end it does nothing.
    attempt.abort();
  }
}

/** Sends the request, and sends it on where redirects lead. */
async function sendOn(
  request: JwksRequest,
  conditions: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Response> {
  let { url } = request;
  for (let redirects = 0; ; redirects++) {
    const response = await raceSignal(send(request.fetch, url, conditions, signal), signal);
    // A fetch of the user's own may follow it whatever it is told.
    if (response.redirected) throw invalid("was redirected");
    if (!isRedirect(response) || redirects === request.maxRedirects) return response;
    discard(response);
    url = parseRedirect(response, url, request.rules);
  }
}

async function send(
  fetch: JwksFetch,
  url: string,
  conditions: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Response> {
  const response = await fetch(url, {
    headers: { accept: ACCEPT, ...conditions },
    // Cookies and other ambient authority of a browser have no business at a key set.
    credentials: "omit",
    redirect: "manual",
    signal,
  });
  // A fetch that ignores its signal may answer when nobody waits any more.
  if (signal.aborted) discard(response);
  return response;
}

/** Gives up a body that nobody reads, so that its connection is not kept open for it. */
function discard(response: Response): void {
  response.body?.cancel().catch(() => {});
}

function assertAnswered({ status, headers }: Response, clock: Clock): void {
  if (status !== 408 && status !== 429 && status < 500) return;
  const retryAfterMs = readRetryAfterMs(headers, clock.nowMs());
  throw unavailable(`was answered with status ${status}`, withoutUndefined({ retryAfterMs }));
}

function invalid(what: string): KeysUnavailableError {
  return new KeysUnavailableError("ERR_KEYS_INVALID", `The request for the key set ${what}`);
}

function unavailable(what: string, options?: ErrorOptions & { readonly retryAfterMs?: number }): KeysUnavailableError {
  return new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", `The request for the key set ${what}`, options);
}
