/**
 * Stands in for an authority that cannot be used. RFC 6761 section 6.4: the name never resolves.
 */
export const INVALID_AUTHORITY = "invalid.invalid";

// RFC 9110 section 7.2: host and optional port, no user, path, query or white space.
const SHAPE = /^(?:[A-Za-z0-9._~%!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;
let lastValid: string | undefined;

/** Tells whether a Host header or ":authority" can be the authority of a URL. */
export function isValidAuthority(authority: string): boolean {
  // Nearly every request names the same authority as the one before.
  if (authority === lastValid) return true;
  if (authority.length > 512 || !SHAPE.test(authority) || !URL.canParse(`http://${authority}`)) return false;
  lastValid = authority;
  return true;
}
