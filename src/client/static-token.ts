import { TokenSourceError } from "../errors.js";
import { assertNonEmptyString } from "../lib/options.js";
import { isToken68 } from "../token/bearer.js";
import type { TokenSource } from "../token/token.js";

/**
 * A source with one token that was obtained elsewhere.
 *
 * The token is sent until the server rejects it, for nothing is known about its expiry; after that it is still sent,
 * and calls fail as the server says. `bearerAuth` sends it to the origin of its first call only, or to its `origins`.
 *
 * `getToken()` rejects with {@link TokenSourceError} `ERR_TOKEN_SOURCE_REFUSED` when asked for a replacement.
 *
 * Spec: RFC 6750 section 2.1.
 *
 * @example
 * ```ts
 * import { bearerAuth, staticToken } from "latchkey/client";
 *
 * const interceptor = bearerAuth(staticToken(process.env["TOKEN"] ?? ""), { origins: ["https://jobs.example"] });
 * ```
 *
 * @param value - The token as it stands after `Bearer `.
 * @throws TypeError if the value is empty or has a character that no bearer token has.
 */
export function staticToken(value: string): TokenSource {
  assertNonEmptyString("value", value);
  // The message leaves the value out: it may be a token with a line break at its end.
  if (!isToken68(value))
    throw new TypeError("value must be a bearer token: letters, digits and -._~+/ with = at its end");
  const token = Object.freeze({ value, expiresAtMs: Number.POSITIVE_INFINITY });
  return {
    async getToken({ rejected }) {
      if (rejected === value) throw new TokenSourceError("ERR_TOKEN_SOURCE_REFUSED", "The static token was rejected");
      return token;
    },
    cacheKey: () => "",
  };
}
