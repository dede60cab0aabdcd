import { KeysUnavailableError } from "../errors.js";
import { parseJwksUrl, type UrlRules } from "./url.js";

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Tells whether an answer sends the request elsewhere. */
export function isRedirect({ status }: Response): boolean {
  return REDIRECTS.has(status);
}

/**
 * Gives the URL that a redirect leads to, held to the rules of the URL that was configured.
 *
 * Only the path and query may change: another origin would be a place that nobody configured.
 *
 * Spec: RFC 9110 section 10.2.2.
 *
 * @param from - The URL that was asked.
 * @throws KeysUnavailableError `ERR_KEYS_INVALID` for another origin, a URL that the rules refuse, or none.
 */
export function parseRedirect({ headers }: Response, from: string, rules: UrlRules): string {
  const location = headers.get("location") ?? "";
  const target = URL.parse(location, from);
  if (location === "" || target?.origin !== new URL(from).origin) throw refused();
  try {
    // An absolute text is checked as it was written, for parsing hides what is wrong with it.
    return parseJwksUrl(URL.canParse(location) ? location : target, rules, "location");
  } catch {
    throw refused();
  }
}

function refused(): KeysUnavailableError {
  return new KeysUnavailableError("ERR_KEYS_INVALID", "The request for the key set was redirected to another place");
}
