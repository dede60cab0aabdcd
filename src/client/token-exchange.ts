import { TokenSourceError } from "../errors.js";
import { assertFields, assertNonEmptyString } from "../lib/options.js";
import type { TokenSource } from "../token/token.js";
import type { ClientAuth } from "./client-auth.js";
import { createInputToken } from "./input-token.js";
import { isRefusal } from "./oauth-retry.js";
import { createTokenEndpoint, OAUTH_FIELDS, type OAuthOptions, type TokenResponse } from "./token-endpoint.js";
import { createTokenTarget, type TokenTargetOptions } from "./token-target.js";

/** Options of {@link tokenExchange}. */
export interface TokenExchangeOptions extends OAuthOptions, TokenTargetOptions {
  /** Who asks. Without `clientAuth` it is sent as it is, as a public client's. @defaultValue none */
  readonly clientId?: string;
  /** Proves who asks; needs `clientId`. @defaultValue none */
  readonly clientAuth?: ClientAuth;
  /** Sent with every request to the token endpoint, copied now. @defaultValue none */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Gives the token of whom the new one speaks for. It is asked for the audience of the authorization server. One that
   * serves several callers, told apart by `contextValues`, has to have a `cacheKey`.
   */
  readonly subjectToken: TokenSource;
  /** What kind of token that is, a URI. @defaultValue `"urn:ietf:params:oauth:token-type:access_token"` */
  readonly subjectTokenType?: string;
  /** Gives the token of whom the new one lets act for the subject. @defaultValue none: the subject acts itself */
  readonly actorToken?: TokenSource;
  /** What kind of token that is, a URI. @defaultValue `"urn:ietf:params:oauth:token-type:access_token"` */
  readonly actorTokenType?: string;
  /** What kind of token is wanted, a URI. @defaultValue not sent: an access token or a JWT */
  readonly requestedTokenType?: string;
}

const JWT = "urn:ietf:params:oauth:token-type:jwt";
const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange";

const DEFAULTS = {
  subjectTokenType: "urn:ietf:params:oauth:token-type:access_token",
  actorTokenType: "urn:ietf:params:oauth:token-type:access_token",
} satisfies Partial<TokenExchangeOptions>;

/**
 * A source that exchanges one token for another at an authorization server: a user's token for one that a service may
 * use on the user's behalf, a platform's token for one of ours, or a token for everything for one that a single host
 * takes.
 *
 * **Whose token.** The subject source is asked for each exchange, and for each repetition of its request, with what the
 * call carries (`contextValues`). New tokens are kept apart by the `cacheKey` of subject and actor, audience, scope and
 * resource, so that nobody gets a token that was made for someone else. A subject source without `cacheKey` stands for
 * one identity, and fails when it reads the context values.
 *
 * **For what.** Audience, scope and resource may be functions of the call, by its origin for example. When audience or
 * resource is one, `bearerAuth` serves every origin, each with what the function derives for it: name its `origins` if the
 * function does not look at the origin. Otherwise tokens go to the origin of the first call alone, or to those `origins`.
 *
 * **What comes back.** A bearer token of the requested type, or an access token or JWT when none was requested, and of no
 * wider scope than was asked for; everything else is refused. Requests are repeated as for every OAuth source; a subject
 * source made by `cachedTokens` hears that its token was refused, and gives another the next time.
 *
 * `getToken()` rejects with {@link TokenSourceError} `ERR_TOKEN_SOURCE_REFUSED` (the server refuses),
 * `ERR_TOKEN_SOURCE_UNAVAILABLE` (it cannot be asked at present), `ERR_TOKEN_SOURCE_INVALID` (its answer cannot be used, or
 * a source or function gave nothing usable), with the error of the subject or actor source, or with the signal's reason.
 *
 * Spec: RFC 8693 sections 2.1 and 2.2, RFC 8707 section 2.
 *
 * @example
 * ```ts
 * import { bearerAuth, tokenExchange } from "latchkey/client";
 * import { tokenFile } from "latchkey/node";
 *
 * const source = tokenExchange({
 *   authorizationServer: "https://login.example",
 *   subjectToken: tokenFile("/var/run/secrets/tokens/login"),
 *   subjectTokenType: "urn:ietf:params:oauth:token-type:jwt",
 *   audience: ({ origin }) => origin,
 *   scope: "jobs.write",
 * });
 * const interceptor = bearerAuth(source);
 * ```
 *
 * @param options - Server, tokens and target.
 * @throws TypeError if an option is unknown, missing or of another form than it accepts.
 * @throws RangeError if a duration is not positive and finite.
 */
export function tokenExchange(options: TokenExchangeOptions): TokenSource {
  assertFields("options", options, FIELDS);
  const { requestedTokenType } = options;
  const { subjectTokenType = DEFAULTS.subjectTokenType, actorTokenType = DEFAULTS.actorTokenType } = options;
  assertNonEmptyString("subjectTokenType", subjectTokenType);
  assertNonEmptyString("actorTokenType", actorTokenType);
  if (requestedTokenType !== undefined) assertNonEmptyString("requestedTokenType", requestedTokenType);
  const endpoint = createTokenEndpoint(options);
  const target = createTokenTarget(options);
  const subject = createInputToken("subjectToken", options.subjectToken, endpoint.issuer);
  const actor =
    options.actorToken === undefined ? undefined : createInputToken("actorToken", options.actorToken, endpoint.issuer);

  return {
    async getToken(request) {
      const parameters = target.parameters(request);
      let subjectSent = "";
      let actorSent: string | undefined;
      const toBody = async (signal: AbortSignal): Promise<URLSearchParams> => {
        [subjectSent, actorSent] = await Promise.all([subject.obtain(request, signal), actor?.obtain(request, signal)]);
        const body = new URLSearchParams(parameters);
        body.set("subject_token", subjectSent);
        body.set("subject_token_type", subjectTokenType);
        if (actorSent !== undefined) {
          body.set("actor_token", actorSent);
          body.set("actor_token_type", actorTokenType);
        }
        if (requestedTokenType !== undefined) body.set("requested_token_type", requestedTokenType);
        return body;
      };
      try {
        const response = await endpoint.request(GRANT_TYPE, toBody, { signal: request.signal });
        assertAnswer(response, requestedTokenType, parameters.get("scope"));
        return response.token;
      } catch (error) {
        // Which of them the server did not like it does not say; a cache asks for another at most every few seconds.
        if (isRefusal(error)) {
          subject.disown(subjectSent);
          if (actorSent !== undefined) actor?.disown(actorSent);
        }
        throw error;
      }
    },
    cacheKey: (request) =>
      JSON.stringify([
        endpoint.identity,
        subject.cacheKey(request),
        actor?.cacheKey(request) ?? null,
        target.cacheKey(request),
      ]),
    ...(target.perCall && { audienceBound: true }),
  };
}

const FIELDS = {
  ...OAUTH_FIELDS,
  clientId: true,
  clientAuth: true,
  headers: true,
  subjectToken: true,
  subjectTokenType: true,
  actorToken: true,
  actorTokenType: true,
  audience: true,
  scope: true,
  resource: true,
  requestedTokenType: true,
};

/** RFC 8693 section 2.2.1: the server says what it issued, and the scope when it is another than was asked for. */
function assertAnswer(response: TokenResponse, requested: string | undefined, asked: string | null): void {
  const { issuedTokenType, scope } = response;
  const isWanted = requested === undefined ? isUsableType(issuedTokenType) : issuedTokenType === requested;
  if (!isWanted) throw unwanted('another "issued_token_type" than was asked for, or none');
  if (asked === null || scope === undefined) return;
  const permitted = new Set(asked.split(" "));
  if (scope.split(" ").some((entry) => entry !== "" && !permitted.has(entry))) {
    throw unwanted("a wider scope than was asked for");
  }
}

/** Tells whether a token of this type is one that a service takes as it is. */
function isUsableType(type: string | undefined): boolean {
  return type === DEFAULTS.subjectTokenType || type === JWT;
}

function unwanted(what: string): TokenSourceError {
  return new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", `The exchange gave ${what}`);
}
