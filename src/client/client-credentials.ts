import { assertFields, assertNonEmptyString, typeName } from "../lib/options.js";
import type { TokenSource } from "../token/token.js";
import type { ClientAuth } from "./client-auth.js";
import { createTokenEndpoint, OAUTH_FIELDS, type OAuthOptions } from "./token-endpoint.js";
import { createTokenTarget, type TokenTargetOptions } from "./token-target.js";

/** Options of {@link clientCredentials}. */
export interface ClientCredentialsOptions extends OAuthOptions, TokenTargetOptions {
  /** Name of the client at the authorization server. */
  readonly clientId: string;
  /** Proves that it is the client, such as {@link privateKeyJwt}. */
  readonly clientAuth: ClientAuth;
  /** Sent with every request to the token endpoint, copied now. @defaultValue none */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * A source of tokens that an authorization server issues to the client itself.
 *
 * Each token costs one request; `bearerAuth` caches them, one per scope, audience and resource. Where audience or
 * resource is a function, tokens are made for what is called: each permitted origin gets the token that the function
 * derives for it. So name the `origins` of `bearerAuth` if that function does not look at the origin. Otherwise tokens go
 * to the origin of the first call alone, or to those `origins`, though the scope may be a function.
 *
 * Faults that may pass (network, deadline, status 408, 429, 5xx) are repeated within `totalTimeoutMs`, no sooner than the
 * server asks. A refusal is repeated once, when its answer shows that this machine's clock is more than 10 seconds off: the
 * client is then authenticated by the server's clock. A token without "expires_in" is used until the "exp" that it has as
 * a JWT, or else for 5 minutes, and none for more than a day.
 *
 * `getToken()` rejects with {@link TokenSourceError} `ERR_TOKEN_SOURCE_REFUSED` (any other 4xx),
 * `ERR_TOKEN_SOURCE_UNAVAILABLE` (faults that did not pass in time) or `ERR_TOKEN_SOURCE_INVALID` (the answer is no bearer
 * token, a redirect, or the server's metadata cannot be used), or with the signal's reason. Errors hold nothing of what
 * was answered but the registered error codes.
 *
 * Spec: RFC 6749 section 4.4, RFC 7523 section 2.2, RFC 8414, RFC 8707.
 *
 * @example
 * ```ts
 * import { bearerAuth, clientCredentials, generateSigningKey, privateKeyJwt } from "latchkey/client";
 *
 * const { key } = await generateSigningKey();
 * const source = clientCredentials({
 *   authorizationServer: "https://issuer.example",
 *   clientId: "nightly-report",
 *   clientAuth: privateKeyJwt({ key }),
 *   scope: ({ origin }) => `ingest:${new URL(origin).hostname}`,
 * });
 * const interceptor = bearerAuth(source, { origins: ["https://eu.jobs.example", "https://us.jobs.example"] });
 * ```
 *
 * @param options - Server, client and what the tokens are for.
 * @throws TypeError or RangeError naming the option and what it accepts.
 */
export function clientCredentials(options: ClientCredentialsOptions): TokenSource {
  assertFields("options", options, {
    ...OAUTH_FIELDS,
    clientId: true,
    clientAuth: true,
    scope: true,
    resource: true,
    audience: true,
    headers: true,
  });
  assertNonEmptyString("clientId", options.clientId);
  if (typeof options.clientAuth !== "object" || options.clientAuth === null) {
    throw new TypeError(
      `clientAuth must be a client authentication such as privateKeyJwt(), got ${typeName(options.clientAuth)}`,
    );
  }
  const endpoint = createTokenEndpoint(options);
  const target = createTokenTarget(options);
  return {
    async getToken(request) {
      const parameters = target.parameters(request);
      const { token } = await endpoint.request("client_credentials", parameters, { signal: request.signal });
      return token;
    },
    cacheKey: target.cacheKey,
    ...(target.perCall && { audienceBound: true }),
  };
}
