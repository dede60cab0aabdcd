import { TokenSourceError } from "../errors.js";
import { assertFields, typeName } from "../lib/options.js";
import type { TokenRequest, TokenSource } from "../token/token.js";
import { cacheKeyOf, requestFor } from "./cache-key.js";
import { isCachedTokenSource } from "./cached-tokens.js";
import type { ClientAuth } from "./client-auth.js";
import { toSourceFailure } from "./refresh-backoff.js";
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
  const { assertion } = options;
  if (typeof assertion?.getToken !== "function") {
    throw new TypeError(`assertion must be a token source, got ${typeName(assertion)}`);
  }
  const endpoint = createTokenEndpoint(options);
  const target = createTokenTarget(options);
  const { issuer } = endpoint;
  const { origin } = new URL(issuer);

  /** What the assertion is asked for: it is for the authorization server, not for the call. */
  const toInner = ({ contextValues, signal }: TokenRequest): TokenRequest => ({
    audience: issuer,
    origin,
    signal,
    ...(contextValues !== undefined && { contextValues }),
  });

  return {
    async getToken(request) {
      const inner = toInner(request);
      let sent: string | undefined;
      const parameters = async (signal: AbortSignal): Promise<URLSearchParams> => {
        sent = await obtainAssertion(assertion, { ...inner, signal });
        const filled = target.parameters(request);
        filled.set("assertion", sent);
        return filled;
      };
      try {
        return (await endpoint.request(GRANT_TYPE, parameters, { signal: request.signal })).token;
      } catch (error) {
        const isRefused = error instanceof TokenSourceError && error.code === "ERR_TOKEN_SOURCE_REFUSED";
        if (isRefused && sent !== undefined && isCachedTokenSource(assertion)) assertion.invalidate(sent);
        throw error;
      }
    },
    cacheKey: (request) => JSON.stringify([cacheKeyOf(assertion, toInner(request)), target.cacheKey(request)]),
    ...(target.perCall && { audienceBound: true }),
  };
}

async function obtainAssertion(source: TokenSource, request: TokenRequest): Promise<string> {
  let value: unknown;
  try {
    ({ value } = await source.getToken(requestFor(source, request)));
  } catch (error) {
    request.signal.throwIfAborted();
    throw toSourceFailure(error);
  }
  if (typeof value === "string" && value !== "") return value;
  throw new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", "The source of the assertion gave no text");
}
