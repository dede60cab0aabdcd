import { fetchDocument, retryDelayMs, unusableAnswer } from "../jwks/fetch-document.js";
import type { JwksSettings } from "../jwks/jwks-options.js";
import { readJsonObject } from "../jwks/read-json-object.js";
import { parseJwksUrl, type UrlRules } from "../jwks/url.js";
import { retry } from "../lib/retry.js";
import { readClaim } from "../token/claims.js";
import { listMetadataUrls } from "./metadata-urls.js";

/** Whose metadata is read, and where its key set may be. */
export interface DiscoverableIssuer {
  /** The exact "iss", checked to be a URL that may be asked. */
  readonly issuer: string;
  /** What it was checked against. */
  readonly rules: UrlRules;
}

type Metadata = Readonly<Record<string, unknown>>;

const SUBJECT = "issuer metadata";

/**
 * Reads in the metadata of an issuer where its key set is.
 *
 * The second place is asked only when the first says with a status of 4xx that there is nothing. What is there counts, or
 * is refused: a document that names another issuer does not lead to another document. `http:` to this machine is taken
 * only from an issuer that is there too, so that none elsewhere can send our requests to our own machine. No redirect is
 * followed; failures that may pass are repeated as `settings` say.
 *
 * Rejects with {@link KeysUnavailableError} `ERR_KEYS_UNAVAILABLE` as {@link fetchDocument} does, `ERR_KEYS_INVALID` when
 * there is no document, or one that cannot be used, or with the signal's reason.
 *
 * Spec: RFC 8414 sections 3.2 and 3.3, OpenID Connect Discovery 1.0 sections 4.2 and 4.3.
 *
 * @returns The URL in normal form, checked.
 */
export async function readJwksUri(
  { issuer, rules }: DiscoverableIssuer,
  settings: JwksSettings,
  signal: AbortSignal,
): Promise<string> {
  const { attemptTimeoutMs: timeoutMs, maxBodyBytes } = settings;
  const headers = { accept: "application/json" };
  for (const url of listMetadataUrls(issuer)) {
    const request = { ...settings, url, subject: SUBJECT, headers, timeoutMs, maxRedirects: 0, rules } as const;
    const ask = (): Promise<Metadata | undefined> =>
      fetchDocument(request, (response, reading) => readMetadata(response, maxBodyBytes, reading), signal);
    const metadata = await retry(ask, retryDelayMs, settings, signal);
    if (metadata !== undefined) return takeJwksUri(metadata, issuer, rules);
  }
  throw unusableAnswer(SUBJECT, "was answered with a status of 4xx at either place");
}

/** Reads the document of an answer; undefined when the answer says that there is none. */
async function readMetadata(response: Response, maxBytes: number, signal: AbortSignal): Promise<Metadata | undefined> {
  if (response.status >= 400 && response.status < 500) return undefined;
  return readJsonObject({ response, subject: SUBJECT, maxBytes }, signal);
}

function takeJwksUri(metadata: Metadata, issuer: string, rules: UrlRules): string {
  // Compared as texts: URLs that are equal in some other sense belong to other issuers.
  if (readClaim(metadata, "issuer") !== issuer)
    throw unusableAnswer(SUBJECT, "was answered with that of another issuer");
  const jwksUri = readClaim(metadata, "jwks_uri");
  const allowLoopbackHttp = rules.allowLoopbackHttp && new URL(issuer).protocol === "http:";
  try {
    return parseJwksUrl(jwksUri as string, { ...rules, allowLoopbackHttp }, "jwks_uri");
  } catch (cause) {
    throw unusableAnswer(SUBJECT, "was answered without a jwks_uri that may be asked", { cause });
  }
}
