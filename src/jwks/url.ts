import { isLoopbackHost } from "../lib/loopback.js";
import { typeName } from "../lib/options.js";
import { type AllowedDomain, isAllowedHost } from "./allowed-domains.js";
import { isPlainHost } from "./plain-host.js";

/** Where key sets may be fetched from. */
export interface UrlRules {
  /** Permits `http:` to a host of this machine. */
  readonly allowLoopbackHttp: boolean;
  /** The only domains; undefined: any. */
  readonly allowedDomains: readonly AllowedDomain[] | undefined;
}

// The URL parser drops some of these and turns a backslash into a slash: what is read and what is fetched would differ.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Z}\p{Default_Ignorable_Code_Point}\\]/u;
const AUTHORITY = /^https?:\/\/(?<host>\[[^\]]*\]|[^/?#:[\]]+)(?::\d*)?(?:[/?#]|$)/i;
const MAPPED_IPV4 = /^\[::ffff:/;

/**
 * Checks the URL of a JWK Set and gives its normal form: parsed once, so that what is checked here is what is fetched.
 *
 * A text must say plainly where it leads. Refused are white space, control and invisible characters, backslashes, and
 * hosts in another spelling than the usual one, such as `0x7f.1`, `[::ffff:127.0.0.1]` or fullwidth letters.
 *
 * Spec: RFC 7517 section 5, RFC 8725 section 3.10 (URLs come from configuration), WHATWG URL.
 *
 * @param field - What the URL is called in error messages.
 * @throws TypeError for a relative URL, another scheme, a user name or password, a fragment, a host that is not of an
 * allowed domain, and a text that does not say plainly where it leads.
 */
export function parseJwksUrl(url: string | URL, rules: UrlRules, field: string): string {
  const text: unknown = url instanceof URL ? url.href : url;
  if (typeof text !== "string") throw new TypeError(`${field} must be a string or URL, got ${typeName(text)}`);
  const parsed = URL.parse(text);
  if (parsed === null) throw new TypeError(`${field} must be an absolute URL`);
  const { protocol, hostname, username, password, hash } = parsed;
  const permitted =
    protocol === "https:" || (protocol === "http:" && rules.allowLoopbackHttp && isLoopbackHost(hostname));
  if (!permitted) {
    throw new TypeError(`${field} must be an https: URL (http: only for a loopback host, with allowLoopbackHttp)`);
  }
  if (UNSEEN.test(text)) {
    throw new TypeError(`${field} must not contain white space, control or invisible characters, or a backslash`);
  }
  // `https://issuer.example@evil.example` reads as one host and goes to another.
  if (username !== "" || password !== "") throw new TypeError(`${field} must not contain a user name or password`);
  if (hash !== "") throw new TypeError(`${field} must not contain a fragment`);
  const written = AUTHORITY.exec(text)?.groups?.["host"];
  if (written === undefined || !isPlainHost(written, hostname) || MAPPED_IPV4.test(hostname)) {
    throw new TypeError(`${field} must name its host in the usual spelling, such as "idp.example" or "127.0.0.1"`);
  }
  if (rules.allowedDomains !== undefined && !isAllowedHost(rules.allowedDomains, parsed)) {
    throw new TypeError(`${field} must be of an allowed domain`);
  }
  return parsed.href;
}
