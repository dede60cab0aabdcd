import { assertFields } from "../lib/options.js";
import type { TokenSource } from "../token/token.js";
import type { ClientAuth } from "./client-auth.js";
import { createInputToken } from "./input-token.js";
import { isRefusal } from "./oauth-retry.js";
import { createTokenEndpoint, OAUTH_FIELDS, type OAuthOptions } from "./token-endpoint.js";
import { createTokenTarget, type TokenTargetOptions } from "./token-target.js";

/** Options of {@link jwtBearer}. */
export interface JwtBearerOptions extends OAuthOptions, TokenTargetOptions {
  /**
   * Gives the JWT that is exchanged for a token, such as {@link signedJwt}. It is asked for the audience that the issuer
   * identifier is, once for each request that is sent.
   */
  readonly assertion: TokenSource;
  /** Name of the client at the authorization server, where that wants one. @defaultValue none */
  readonly clientId?: string;
  /** Proves that it is the client; needs `clientId`. @defaultValue none */
  readonly clientAuth?: ClientAuth;
  /** Sent with every request to the token endpoint, copied now. @defaultValue none */
  readonly headers?: Readonly<Record<string, string>>;
}

const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/**
 * A source of tokens that an authorization server issues for a JWT that it trusts.
 *
 * The assertion's source decides whom the token is for. One that serves several callers has to have a `cacheKey` that
 * tells them apart, which becomes part of this source's; without it, reading what the call carries fails. It is asked
 * with every request that is sent, so that an assertion is never sent twice; one made by `cachedTokens` repeats its
 * assertion until that is refused.
 *
 * In all else it is as {@link clientCredentials}: caching, origins, repetition, lifetimes, errors. What the assertion's
 * source rejects with is passed on and not repeated.
 *
 * Spec: RFC 7523 sections 2.1 and 3.
 *
 * @example
 * ```ts
 * import { bearerAuth, generateSigningKey, jwtBearer, signedJwt } from "latchkey/client";
 *
 * const { key } = await generateSigningKey();
 * const source = jwtBearer({
 *   authorizationServer: "https://issuer.example",
 *   assertion: signedJwt({ key, issuer: "nightly-report", lifetimeSeconds: 60, tokenType: "JWT" }),
 *   scope: "jobs.submit",
 * });
 * const interceptor = bearerAuth(source, { origins: ["https://jobs.example"] });
 * ```
 *
 * @param options - Server, assertion and what the tokens are for.
 * @throws TypeError or RangeError naming the option and what it accepts.
 */
export function jwtBearer(options: JwtBearerOptions): TokenSource {
  assertFields("options", options, {
    ...OAUTH_FIELDS,
    assertion: true,
    clientId: true,
    clientAuth: true,
    scope: true,
    resource: true,
    audience: true,
    headers: true,
  });
  const endpoint = createTokenEndpoint(options);
  const target = createTokenTarget(options);
  const assertion = createInputToken("assertion", options.assertion, endpoint.issuer);

  return {
    async getToken(request) {
      let sent: string | undefined;
      const parameters = async (signal: AbortSignal): Promise<URLSearchParams> => {
        sent = await assertion.obtain(request, signal);
        const filled = target.parameters(request);
        filled.set("assertion", sent);
        return filled;
      };
      try {
        return (await endpoint.request(GRANT_TYPE, parameters, { signal: request.signal })).token;
      } catch (error) {
        if (isRefusal(error) && sent !== undefined) assertion.disown(sent);
        throw error;
      }
    },
    cacheKey: (request) => JSON.stringify([assertion.cacheKey(request), target.cacheKey(request)]),
    ...(target.perCall && { audienceBound: true }),
  };
}
