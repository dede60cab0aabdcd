import { AuthError, KeysUnavailableError } from "../errors.js";
import type { Clock } from "../lib/clock.js";
import { withoutUndefined } from "../lib/options.js";
import { readRetryAfterMs } from "../lib/retry-after.js";
import { raceSignal } from "../lib/signal.js";
import type { JwksFetch } from "./jwks-options.js";
import { isRedirect, parseRedirect } from "./redirect.js";
import type { UrlRules } from "./url.js";

/** What an issuer publishes, as messages call it. */
export type DocumentSubject = "key set" | "issuer metadata" | "list of revocations";

/** One request for a document that an issuer publishes. */
export interface DocumentRequest {
  /** Checked URL. */
  readonly url: string;
  /** What is asked for. */
  readonly subject: DocumentSubject;
  /** What the request says beside its URL. */
  readonly headers: Readonly<Record<string, string>>;
  /** Longest duration, redirects and body included, in milliseconds. */
  readonly timeoutMs: number;
  /** How many redirects are followed; 0: none. */
  readonly maxRedirects: number;
  /** Where they may lead, beside the origin of `url`. */
  readonly rules: UrlRules;
  /** Sends it. */
  readonly fetch: JwksFetch;
  /** Time of the deadline. */
  readonly clock: Clock;
}

const JSON_TYPE = /^(?:application\/json|[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+\+json)\s*(?:;|$)/i;

/**
 * Asks once for a document.
 *
 * A redirect is followed within the origin alone, and only as often as permitted: it would let whoever answers send the
 * request to a place that nobody configured. The deadline covers all redirects and the body; when it strikes, or when
 * the body is not read to its end, the connection is closed.
 *
 * Rejects with {@link KeysUnavailableError} `ERR_KEYS_UNAVAILABLE` when another try may help (network, deadline, status
 * 408, 429, 5xx), with the wait that the answer asks for; `ERR_KEYS_INVALID` for a redirect that was followed or leads
 * elsewhere; as `read` does; or with the signal's reason.
 *
 * Spec: RFC 9110 sections 15.4 and 10.2.3.
 *
 * @param read - Reads any other answer; its signal aborts at the deadline, or with `signal`.
 */
export async function fetchDocument<T>(
  request: DocumentRequest,
  read: (response: Response, signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { clock, subject, timeoutMs } = request;
  signal.throwIfAborted();
  const attempt = new AbortController();
  const stop = (): void => attempt.abort(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  const timer = clock.setTimer(() => attempt.abort(unavailable(subject, "was not answered in time")), timeoutMs);
  try {
    const response = await sendOn(request, attempt.signal);
    assertAnswered(response, subject, clock);
    return await read(response, attempt.signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw error instanceof AuthError ? error : unavailable(subject, "failed", { cause: error });
  } finally {
    timer[Symbol.dispose]();
    signal.removeEventListener("abort", stop);
    // Closes the connection of an answer that was not read to its end; after the end it does nothing.
    attempt.abort();
  }
}

/**
 * Requires an answer with a JSON document in it.
 *
 * @throws KeysUnavailableError `ERR_KEYS_INVALID`.
 */
export function assertJson({ status, headers }: Response, subject: DocumentSubject): void {
  if (status !== 200) throw unusableAnswer(subject, `was answered with status ${status}`);
  if (JSON_TYPE.test(headers.get("content-type") ?? "")) return;
  throw unusableAnswer(subject, "was answered with another type than JSON");
}

/** Makes the error for an answer that another try would not better. */
export function unusableAnswer(subject: DocumentSubject, what: string, options?: ErrorOptions): KeysUnavailableError {
  return new KeysUnavailableError("ERR_KEYS_INVALID", `The request for the ${subject} ${what}`, options);
}

/** How long a failure asks to wait before another try, in milliseconds; undefined when another try is no use. */
export function retryDelayMs(error: unknown): number | undefined {
  if (!(error instanceof KeysUnavailableError) || error.code !== "ERR_KEYS_UNAVAILABLE") return undefined;
  return error.retryAfterMs ?? 0;
}

/** Sends the request, and sends it on where redirects lead. */
async function sendOn(request: DocumentRequest, signal: AbortSignal): Promise<Response> {
  let { url } = request;
  for (let redirects = 0; ; redirects++) {
    const response = await raceSignal(send(request, url, signal), signal);
    // A fetch of the user's own may follow it whatever it is told.
    if (response.redirected) throw unusableAnswer(request.subject, "was redirected");
    if (!isRedirect(response) || redirects === request.maxRedirects) return response;
    discard(response);
    url = parseRedirect(response, url, request.rules);
  }
}

async function send({ fetch, headers }: DocumentRequest, url: string, signal: AbortSignal): Promise<Response> {
  const response = await fetch(url, {
    headers: { ...headers },
    // Cookies and other ambient authority of a browser have no business with what is public.
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

function assertAnswered({ status, headers }: Response, subject: DocumentSubject, clock: Clock): void {
  if (status !== 408 && status !== 429 && status < 500) return;
  const retryAfterMs = readRetryAfterMs(headers, clock.nowMs());
  throw unavailable(subject, `was answered with status ${status}`, withoutUndefined({ retryAfterMs }));
}

function unavailable(
  subject: DocumentSubject,
  what: string,
  options?: ErrorOptions & { readonly retryAfterMs?: number },
): KeysUnavailableError {
  return new KeysUnavailableError("ERR_KEYS_UNAVAILABLE", `The request for the ${subject} ${what}`, options);
}
