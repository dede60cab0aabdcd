import { typeName } from "../lib/options.js";

/** What {@link parseJwksUrl} permits beside `https:`. */
export interface UrlRules {
  /** `http:` to a host of this machine. */
  readonly allowLoopbackHttp: boolean;
}

const LOOPBACK_IPV4 = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;

/**
 * Checks the URL of a JWK Set and gives its normal form: parsed once, so that what is checked here is what is fetched.
 *
 * Spec: RFC 7517 section 5, RFC 8725 section 3.10 (URLs come from configuration), WHATWG URL.
 *
 * @param field - What the URL is called in error messages.
 * @throws TypeError for a relative URL, another scheme, a user name or password, or a fragment.
 */
export function parseJwksUrl(url: string | URL, rules: UrlRules, field: string): string {
  const text: unknown = url instanceof URL ? url.href : url;
  if (typeof text !== "string") throw new TypeError(`${field} must be a string or URL, got ${typeName(text)}`);
  const parsed = URL.parse(text);
  if (parsed === null) throw new TypeError(`${field} must be an absolute URL`);
  const { protocol, username, password, hash } = parsed;
  const permitted = protocol === "https:" || (protocol === "http:" && rules.allowLoopbackHttp && isLoopback(parsed));
  if (!permitted) {
    throw new TypeError(`${field} must be an https: URL (http: only for a loopback host, with allowLoopbackHttp)`);
  }
  // `https://issuer.example@evil.example` reads as one host and goes to another.
  if (username !== "" || password !== "") throw new TypeError(`${field} must not contain a user name or password`);
  if (hash !== "") throw new TypeError(`${field} must not contain a fragment`);
  return parsed.href;
}

// The URL parser has already turned 0x7f.1, 2130706433 and full-width digits into 127.0.0.1, and lower-cased names.
function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || LOOPBACK_IPV4.test(hostname);
}
