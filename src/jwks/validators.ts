/** What identifies the version of a key set in hand, as its issuer named it. */
export interface Validators {
  /** The `ETag` of the answer. */
  readonly etag?: string;
  /** The `Last-Modified` of the answer. */
  readonly lastModified?: string;
}

// Both come from the network and go back into a request: a long or odd one would make every request after it fail.
const ETAG = /^(?:W\/)?"[\x21\x23-\x7e]{0,512}"$/;
const HTTP_DATE = /^[A-Za-z0-9 :,-]{1,64}$/;

/**
 * Reads the validators of an answer; undefined when it has none that can be sent back.
 *
 * Spec: RFC 9110 sections 8.8.2 and 8.8.3.
 */
export function readValidators(headers: Headers): Validators | undefined {
  const etag = headers.get("etag");
  const lastModified = headers.get("last-modified");
  const validators = {
    ...(etag !== null && ETAG.test(etag) && { etag }),
    ...(lastModified !== null && HTTP_DATE.test(lastModified) && { lastModified }),
  };
  return Object.keys(validators).length === 0 ? undefined : validators;
}

/**
 * Makes the headers of a conditional request; none of what cannot be sent.
 *
 * Spec: RFC 9110 sections 13.1.2 and 13.1.3.
 */
export function toConditions({ etag, lastModified }: Validators = {}): Readonly<Record<string, string>> {
  return {
    ...(etag !== undefined && ETAG.test(etag) && { "if-none-match": etag }),
    ...(lastModified !== undefined && HTTP_DATE.test(lastModified) && { "if-modified-since": lastModified }),
  };
}
