import { TokenSourceError } from "../errors.js";
import { isLoopbackHost } from "../lib/loopback.js";
import { assertNonEmptyStrings } from "../lib/options.js";

/** Decides where tokens may go. */
export interface OriginRule {
  /**
   * Gives the origin of a call that a token may be sent to; undefined when the call has to go without one.
   *
   * @param url - URL of the call.
   * @throws TokenSourceError `ERR_TOKEN_ORIGIN` when the token would have to go there unencrypted.
   */
  permit(url: string): string | undefined;
}

/** Options of {@link createOriginRule}. */
export interface OriginRuleOptions {
  /** The only origins that get tokens; absent: see `perOrigin`. */
  readonly origins?: readonly string[];
  /** Whether each origin gets a token of its own; else the origin of the first call gets all of them. */
  readonly perOrigin: boolean;
  /** Whether `http:` to this machine counts as safe. */
  readonly allowLoopbackHttp: boolean;
}

/**
 * Creates the rule for one source of tokens.
 *
 * @throws TypeError if an entry of `origins` is not an origin in the spelling of the URL standard, or is `http:` on
 * another machine.
 */
export function createOriginRule({ origins, perOrigin, allowLoopbackHttp }: OriginRuleOptions): OriginRule {
  const isSafe = (url: URL): boolean =>
    url.protocol === "https:" || (url.protocol === "http:" && allowLoopbackHttp && isLoopbackHost(url.hostname));

  if (origins !== undefined) {
    assertNonEmptyStrings("origins", origins);
    for (const [index, entry] of origins.entries()) {
      const url = URL.canParse(entry) ? new URL(entry) : undefined;
      // The origin of a URL leaves out user, path and default port, and spells the host one way: so must the entry.
      if (url?.origin !== entry || !isSafe(url)) {
        throw new TypeError(
          `origins[${index}] must be an origin such as "https://jobs.example", in lower case and without a path; http: ${
            allowLoopbackHttp ? "only for a loopback host" : "is not allowed"
          }`,
        );
      }
    }
  }
  const named = origins === undefined ? undefined : new Set(origins);
  let first: string | undefined;
  let latest = "";

  const decide = (target: URL): string | undefined => {
    const { origin } = target;
    if (named !== undefined) return named.has(origin) ? origin : undefined;
    if (!perOrigin && first !== undefined && first !== origin) return undefined;
    if (!isSafe(target)) {
      throw new TokenSourceError("ERR_TOKEN_ORIGIN", "A token is sent over https: only, or http: on a loopback host");
    }
    first ??= origin;
    return origin;
  };
  return {
    permit(url) {
      // Saves parsing: what goes on after a canonical origin and a slash has that origin. A permitted one stays so.
      if (latest !== "" && url.startsWith(latest) && url[latest.length] === "/") return latest;
      const origin = decide(parseCallUrl(url));
      if (origin !== undefined) latest = origin;
      return origin;
    },
  };
}

/**
 * Reads the URL of a call.
 *
 * @throws TokenSourceError `ERR_TOKEN_ORIGIN` when it is not absolute, and there is no page that it could be relative to.
 */
export function parseCallUrl(url: string): URL {
  // In a browser a transport may have a relative base URL.
  const base = (globalThis as { location?: { href?: string } }).location?.href;
  try {
    return new URL(url, base);
  } catch (cause) {
    const message =
      "The URL of the call has no origin: give the transport an absolute baseUrl, such as https://jobs.example";
    throw new TokenSourceError("ERR_TOKEN_ORIGIN", message, { cause });
  }
}
