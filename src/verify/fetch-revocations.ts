import { fetchDocument, unusableAnswer } from "../jwks/fetch-document.js";
import type { JwksFetch } from "../jwks/jwks-options.js";
import { readJsonObject } from "../jwks/read-json-object.js";
import { parseJwksUrl } from "../jwks/url.js";
import { readValidators, toConditions, type Validators } from "../jwks/validators.js";
import { type Clock, systemClock } from "../lib/clock.js";
import {
  assertBoolean,
  assertFields,
  assertFunction,
  assertPositive,
  assertPositiveInteger,
  withoutUndefined,
} from "../lib/options.js";
import { readClaim } from "../token/claims.js";
import type { LoadRevocations } from "./polled-revocation.js";
import type { RevocationEntry } from "./revocation-entry.js";

/** Options of {@link fetchRevocations}; every field has a default. */
export interface FetchRevocationsOptions {
  /** Longest duration of a request, its body included, in milliseconds. @defaultValue `10_000` (10 seconds) */
  readonly timeoutMs?: number;
  /** Longest body, in bytes after decompression: about 10,000 tokens. @defaultValue `1_048_576` (1 MiB) */
  readonly maxBodyBytes?: number;
  /** Permits `http:` to a loopback host, as development needs. @defaultValue `false` */
  readonly allowLoopbackHttp?: boolean;
  /** Sends the requests, with credentials if the list needs any. @defaultValue the global `fetch` */
  readonly fetch?: JwksFetch;
  /** Time of the deadline. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

const DEFAULTS = {
  timeoutMs: 10 * 1_000,
  maxBodyBytes: 1_024 * 1_024,
  allowLoopbackHttp: false,
  // Read at each request, so that a global replaced later is the one that is used.
  fetch: (url, init) => globalThis.fetch(url, init),
  clock: systemClock,
} as const satisfies Required<FetchRevocationsOptions>;

const SUBJECT = "list of revocations";

/**
 * Loads what is revoked from a URL, for {@link createPolledRevocation}.
 *
 * The list is a JSON document, `{ "revoked": [entry, …] }`, each entry a {@link RevocationEntry} and nothing else. It is
 * not sent again while the server says by its "ETag" or "Last-Modified" that it is still the same. Redirects are not
 * followed. Let no cache on the way keep the list for longer than a revocation may take to have effect.
 *
 * Rejects with {@link KeysUnavailableError} `ERR_KEYS_UNAVAILABLE` or `ERR_KEYS_INVALID`.
 *
 * Spec: RFC 9110 sections 13.1.2 and 13.1.3.
 *
 * @example
 * ```ts
 * import { createPolledRevocation, fetchRevocations } from "latchkey/verify";
 *
 * export const revocation = createPolledRevocation(fetchRevocations("https://idp.example/revoked.json"));
 * ```
 *
 * @param url - Absolute `https:` URL; it says plainly where it leads, as that of a JWK Set has to.
 * @param options - Limits.
 * @returns A function that loads the list each time it is called.
 * @throws TypeError or RangeError naming what cannot be used.
 */
export function fetchRevocations(url: string | URL, options: FetchRevocationsOptions = {}): LoadRevocations {
  assertFields("options", options, DEFAULTS);
  const { timeoutMs, maxBodyBytes, allowLoopbackHttp, fetch, clock } = { ...DEFAULTS, ...withoutUndefined(options) };
  assertPositive("options.timeoutMs", timeoutMs);
  assertPositiveInteger("options.maxBodyBytes", maxBodyBytes);
  assertBoolean("options.allowLoopbackHttp", allowLoopbackHttp);
  assertFunction("options.fetch", fetch);
  const rules = { allowLoopbackHttp, allowedDomains: undefined };
  const href = parseJwksUrl(url, rules, "url");
  options.fetch?.assertHost?.(new URL(href).hostname);
  let held: { readonly entries: readonly RevocationEntry[]; readonly validators: Validators | undefined } | undefined;

  const read = async (response: Response, signal: AbortSignal): Promise<readonly RevocationEntry[]> => {
    if (response.status === 304 && held?.validators !== undefined) return held.entries;
    const list = await readJsonObject({ response, subject: SUBJECT, maxBytes: maxBodyBytes }, signal);
    const entries = readClaim(list, "revoked");
    if (!Array.isArray(entries)) throw unusableAnswer(SUBJECT, "was answered with something that is not a list");
    held = { entries, validators: readValidators(response.headers) };
    return entries;
  };

  return async ({ signal }) => {
    const headers = { accept: "application/json", ...toConditions(held?.validators) };
    const request = {
      url: href,
      subject: SUBJECT,
      headers,
      timeoutMs,
      maxRedirects: 0,
      rules,
      fetch,
      clock,
    } as const;
    return fetchDocument(request, read, signal);
  };
}
