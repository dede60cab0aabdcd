import { AuthError, KeysUnavailableError } from "../errors.js";
import type { Clock } from "../lib/clock.js";
import { raceSignal } from "../lib/signal.js";
import type { JwksFetch } from "./jwks-options.js";
import { readJsonBody } from "./read-body.js";

/** One request for a key set. */
export interface JwksRequest {
  /** Checked URL of the set. */
  readonly url: string;
  /** Longest duration, body included, in milliseconds. */
  readonly timeoutMs: number;
  /** Longest body, in bytes after decompression. */
  readonly maxBodyBytes: number;
  /** Sends it. */
  readonly fetch: JwksFetch;
  /** Time of the deadline. */
  readonly clock: Clock;
}

/** What was answered with status 200: JSON, not yet looked at. */
export interface JwksResponse {
  /** The parsed body. */
  readonly body: unknown;
  /** The response headers. */
  readonly headers: Headers;
}

const ACCEPT = "application/jwk-set+json, application/json";
const JSON_TYPE = /^application\/(json|[a-z0-9!#$&^_.+-]+\+json)\s*(;|$)/i;

/**
 * Asks once for a key set.
 *
 * A redirect is not followed: it would let whoever answers send the request to a place that nobody configured. The
 * deadline and the byte cap cover the body; when either strikes, the connection is closed.
 *
 * Rejects with {@link KeysUnavailableError} `ERR_KEYS_UNAVAILABLE` when another try may help (network, deadline, status
 * 408, 429, 5xx), `ERR_KEYS_INVALID` when the answer is not a JSON document, or with the signal's reason.
 */
export async function fetchJwks(request: JwksRequest, signal: AbortSignal): Promise<JwksResponse> {
  signal.throwIfAborted();
  const attempt = new AbortController();
  const stop = (): void => attempt.abort(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  const timer = request.clock.setTimer(() => attempt.abort(unavailable("was not answered in time")), request.timeoutMs);
  try {
    const response = await raceSignal(send(request, attempt.signal), attempt.signal);
    // A fetch of the user's own may follow it whatever it is told.
    if (response.redirected) throw new KeysUnavailableError("ERR_KEYS_INVALID", "The request was redirected");
    assertJson(response);
    const body = await readJsonBody(response, request.maxBodyBytes, attempt.signal);
    return { body, headers: response.headers };
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

async function send({ url, fetch }: JwksRequest, signal: AbortSignal): Promise<Response> {
  return fetch(url, {
    headers: { accept: ACCEPT },
    // Cookies and other ambient authority of a browser have no business at a key set.
    credentials: "omit",
    redirect: "manual",
    signal,
  });
}

function assertJson({ status, headers }: Response): void {
  if (status === 408 || status === 429 || status >= 500) throw unavailable(`was answered with status ${status}`);
  // Status 0 is what browsers show of a redirect that they were told not to follow.
  if (status !== 200) {
    throw new KeysUnavailableError(
      "ERR_KEYS_INVALID",
      `The request for the key set was answered with status ${status}`,
    );
  }
  if (!JSON_TYPE.test(headers.get("content-type") ?? "")) {
    throw new KeysUnavailableError("ERR_KEYS_INVALID", "The answer for the key set is not of a JSON media type");
  }
}

function unavailable(what: string, options?: ErrorOptions): KeysUnavailableError {
  return new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", `The request for the key set ${what}`, options);
}
