import { isLoopbackHost } from "../lib/loopback.js";
import { typeName } from "../lib/options.js";

/** What {@link parseJwksUrl} permits beside `https:`. */
export interface UrlRules {
  /** `http:` to a host of this machine. */
  readonly allowLoopbackHttp: boolean;
}

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
  const { protocol, hostname, username, password, hash } = parsed;
  const permitted =
    protocol === "https:" || (protocol === "http:" && rules.allowLoopbackHttp && isLoopbackHost(hostname));
  if (!permitted) {
    throw new TypeError(`${field} must be an https: URL (http: only for a loopback host, with allowLoopbackHttp)`);
  }
  // `https://issuer.example@evil.example` reads as one host and goes to another.
  if (username !== "" || password !== "") throw new TypeError(`${field} must not contain a user name or password`);
  if (hash !== "") throw new TypeError(`${field} must not contain a fragment`);
  return parsed.href;
}
