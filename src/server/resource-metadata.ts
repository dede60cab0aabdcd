import { isLoopbackHost } from "../lib/loopback.js";
import { typeName } from "../lib/options.js";

/**
 * Throws unless a value can be told in challenges as the URL of this service's metadata.
 *
 * Spec: RFC 9728 sections 3 and 5.1: an `https:` URL without a fragment; here also `http:` to a loopback host.
 */
export function assertResourceMetadata(value: unknown): void {
  if (typeof value !== "string") throw new TypeError(`resourceMetadata must be a string, got ${typeName(value)}`);
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && isLoopbackHost(url.hostname));
  // It stands between quotes in a header as it is.
  if (!isSafe || /[^\x21\x23-\x5b\x5d-\x7e]|#/.test(value)) {
    throw new TypeError("resourceMetadata must be an absolute https URL without fragment, in printable ASCII");
  }
}
