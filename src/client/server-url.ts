import { isLoopbackHost } from "../lib/loopback.js";

/**
 * Tells whether a text is the URL of a server that secrets may be sent to: absolute, `https:` or, where it is allowed,
 * `http:` on this machine, without a user, a fragment, or characters that the parser drops or turns.
 */
export function isServerUrl(text: string, allowLoopbackHttp: boolean): boolean {
  if (!/^[\x21-\x5b\x5d-\x7e]+$/.test(text)) return false;
  const url = URL.parse(text);
  if (url === null || url.username !== "" || url.password !== "" || text.includes("#")) return false;
  return url.protocol === "https:" || (url.protocol === "http:" && allowLoopbackHttp && isLoopbackHost(url.hostname));
}
