import type { Interceptor } from "@connectrpc/connect";
import { toUnsentError } from "../connect-errors.js";
import { type Clock, systemClock } from "../lib/clock.js";
import { assertBoolean, assertFields, assertFunction, assertNonEmptyString, type FieldsOf } from "../lib/options.js";
import { createGuardedTelemetry } from "../telemetry/guarded-telemetry.js";
import { noTelemetry, type Telemetry } from "../telemetry/telemetry.js";
import type { TokenSource } from "../token/token.js";
import { callStream, callUnary } from "./authorized-call.js";
import { cachedTokens, isCachedTokenSource, peekerOf } from "./cached-tokens.js";
import type { DpopProofs } from "./dpop-proofs.js";
import { readExtraHeaders } from "./extra-headers.js";
import { createOriginRule, type OriginRule } from "./origin-rule.js";

/** Options of {@link bearerAuth}; every field has a default. */
export interface BearerAuthOptions {
  /** What tokens are asked for. @defaultValue the origin of the call */
  readonly audience?: string;
  /**
   * The only origins that get a token, such as `["https://jobs.example"]`. @defaultValue each origin when the source makes
   * tokens for the origin of the call, else the origin of the first call
   */
  readonly origins?: readonly string[];
  /** Whether tokens may go over `http:` to this machine. @defaultValue `true` */
  readonly allowLoopbackHttp?: boolean;
  /**
   * Proves with each call that its sender holds the key that the tokens are bound to; they are then sent as
   * `Authorization: DPoP`. Made by {@link dpopProofs}. @defaultValue none: tokens are sent as `Authorization: Bearer`
   */
  readonly dpop?: DpopProofs;
  /**
   * Sent with every token and only with one, copied now: what some servers want to be told beside it, such as its kind.
   * @defaultValue none
   */
  readonly headers?: Readonly<Record<string, string>>;
  /** Where refreshes and repeated calls are counted. @defaultValue nowhere */
  readonly telemetry?: Telemetry;
  /** Time of the token cache. @defaultValue the clock of this machine */
  readonly clock?: Clock;
}

const OPTIONS: FieldsOf<BearerAuthOptions> = {
  audience: true,
  origins: true,
  allowLoopbackHttp: true,
  dpop: true,
  headers: true,
  telemetry: true,
  clock: true,
};

/** Headers that belong to the call or its protocol. */
const OWN_HEADERS = ["authorization", "content-length", "content-type", "cookie", "dpop", "host"];

/**
 * Creates a client interceptor that sends a bearer token with every call, of all four kinds.
 *
 * **Which token.** The source is asked through a cache ({@link cachedTokens}; given one, that is used), so that a call
 * normally costs a look-up. A source with a `cacheKey` sees the `contextValues` of the call. The wait for a token counts
 * against the call's deadline and ends with its signal.
 *
 * **Where to.** `origins` names where tokens may go. Without it, a source that makes tokens for the origin of each call,
 * such as {@link signedJwt} without an audience, serves every origin with its own token, and every other source serves
 * the origin of its first call alone. A call elsewhere goes out without a token. So does a call that has an
 * `authorization` header already: it is left as it is.
 *
 * **When it is rejected.** On `unauthenticated` the token is replaced, and the call repeated once, if that other token
 * is in fact another one and nothing has been done yet: the refusal carries a Bearer or DPoP challenge with
 * `invalid_token` or without an error, or the method is declared idempotent. Server streams are repeated too while
 * nothing was answered; one refused only after its token's expiry was ended, not turned away, and is not. Client and
 * bidi streams never are, but the next call has a new token. Nothing else is retried, `permission_denied` least of all.
 *
 * **With proofs.** Given `dpop`, each call has a proof of its own, also when it is repeated, and goes where its token goes.
 * A server that wants a nonce in the proof gets it: see {@link dpopProofs}. The token is kept meanwhile.
 *
 * Calls reject with `ConnectError`s only: the server's; `deadline_exceeded` or `canceled` when that comes first;
 * `unavailable`, `unauthenticated` or `internal` when no token can be had (the cause is a {@link TokenSourceError});
 * `failed_precondition` before anything is sent when the token would go over plain `http:` to another machine.
 *
 * Spec: RFC 6750 sections 2.1 and 3.1, RFC 9110 section 11.6.1, RFC 9449 section 7.1.
 *
 * @example
 * ```ts
 * import { createConnectTransport } from "@connectrpc/connect-node";
 * import { bearerAuth, staticToken } from "latchkey/client";
 *
 * const transport = createConnectTransport({
 *   baseUrl: "https://jobs.example",
 *   httpVersion: "2",
 *   interceptors: [bearerAuth(staticToken(process.env["TOKEN"] ?? ""))],
 * });
 * ```
 *
 * @param source - Where the tokens come from; it stands for one identity.
 * @param options - Audience, origins and collaborators; every field has a default.
 * @returns An interceptor, safe to share between transports: they share the cache and the origin of the first call.
 * @throws TypeError if `audience` is empty, an entry of `origins` is no origin or not safe, `headers` cannot be sent or
 * belong to the call, or an option is unknown or of the wrong type.
 * @throws RangeError if the lifetime that the source states is not positive or above 24 hours.
 */
export function bearerAuth(source: TokenSource, options: BearerAuthOptions = {}): Interceptor {
  assertFields("options", options, OPTIONS);
  const { audience, origins, allowLoopbackHttp = true, dpop, clock = systemClock } = options;
  const telemetry = createGuardedTelemetry(options.telemetry ?? noTelemetry);
  if (audience !== undefined) assertNonEmptyString("audience", audience);
  assertBoolean("allowLoopbackHttp", allowLoopbackHttp);
  if (dpop !== undefined) assertFunction("dpop.interceptor", dpop?.interceptor);
  const tokens = isCachedTokenSource(source) ? source : cachedTokens(source, { telemetry, clock });
  const peek = peekerOf(tokens);
  const headers = [...readExtraHeaders(options.headers ?? {}, OWN_HEADERS)];
  const rule = createOriginRule({
    ...(origins !== undefined && { origins }),
    // A token for one fixed audience is as good at the second origin as at the first.
    perOrigin: source.audienceBound === true && audience === undefined,
    allowLoopbackHttp,
  });

  return (next) => {
    const send = dpop === undefined ? next : dpop.interceptor(next);
    return async (req) => {
      if (req.header.has("authorization")) return next(req);
      const origin = permittedOrigin(rule, req.url);
      if (origin === undefined) return next(req);
      const { contextValues, signal } = req;
      const wanted = { audience: audience ?? origin, origin, contextValues, signal };
      const context = { tokens, peek, telemetry, clock, wanted, headers };
      return req.stream ? callStream(context, req, send) : callUnary(context, req, send);
    };
  };
}

function permittedOrigin(rule: OriginRule, url: string): string | undefined {
  try {
    return rule.permit(url);
  } catch (error) {
    throw toUnsentError(error);
  }
}
