// A host comes first, and nobody's name before it. Visible ASCII without the backslash, which the URL parser would take
// for a slash; white space it would drop.
const PLAIN_URL = /^https?:\/\/(?!\/|[^/?#]*@)[\x21-\x5b\x5d-\x7e]+$/i;
const UNRESERVED = /^[A-Za-z0-9\-._~]$/;

/**
 * Gives the form of a URL that "htu" is compared in: without query and fragment, scheme and host in lower case, without
 * the port that is the scheme's own, without dot segments, and with one spelling of what is percent-encoded.
 *
 * Spec: RFC 9449 section 4.3, RFC 3986 sections 6.2.2 and 6.2.3.
 *
 * @returns Undefined for what is not an absolute http or https URL, names a user, or holds what no URL may hold.
 */
export function normalizeTarget(url: string): string | undefined {
  if (!PLAIN_URL.test(url)) return undefined;
  const parsed = URL.parse(url);
  return parsed === null ? undefined : parsed.origin + normalizePath(parsed.pathname);
}

/** Puts the path of a URL behind the origin by which callers know this service. */
export function replaceOrigin(url: string, origin: string | undefined): string {
  if (origin === undefined) return url;
  const parsed = URL.parse(url);
  return parsed === null ? url : origin + parsed.pathname;
}

// RFC 3986 section 6.2.2: "%7e" is "~", "%2f" is "%2F" and not "/".
function normalizePath(path: string): string {
  if (!path.includes("%")) return path;
  return path.replace(/%[0-9a-f]{2}/gi, (octet) => {
    const character = String.fromCharCode(Number.parseInt(octet.slice(1), 16));
    return UNRESERVED.test(character) ? character : octet.toUpperCase();
  });
}
