import { parseJwksUrl, type UrlRules } from "../jwks/url.js";

/**
 * Checks that the metadata of an issuer can be asked for below its identifier.
 *
 * Spec: RFC 8414 section 2 and OpenID Connect Discovery 1.0 section 3 ("issuer": no query, no fragment).
 *
 * @param field - What the issuer is called in error messages, such as `issuers[0].issuer`.
 * @throws TypeError for what `rules` refuse, and for a query or fragment.
 */
export function assertDiscoverable(issuer: string, rules: UrlRules, field: string): void {
  parseJwksUrl(issuer, rules, field);
  // An empty one too: it would stay in the identifier and be missing from the URL.
  if (/[?#]/.test(issuer)) throw new TypeError(`${field} must not contain a query or fragment`);
}

/**
 * Gives the places where an issuer may publish its metadata, in the order in which they are asked: that of OpenID Connect,
 * below the issuer's path, then that of RFC 8414, in front of it.
 *
 * Spec: OpenID Connect Discovery 1.0 section 4.1, RFC 8414 section 3.1.
 *
 * @param issuer - Checked by {@link assertDiscoverable}.
 */
export function listMetadataUrls(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer);
  // Both say that a slash at the end goes before the rest comes.
  const path = pathname.replace(/\/$/, "");
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ];
}
