import { TokenSourceError } from "../errors.js";
import { typeName } from "../lib/options.js";
import type { TokenRequest, TokenSource } from "../token/token.js";
import { cacheKeyOf, requestFor } from "./cache-key.js";
import { isCachedTokenSource } from "./cached-tokens.js";
import { toSourceFailure } from "./refresh-backoff.js";

/** A token that an authorization server is shown to get another: an assertion, a subject's or an actor's token. */
export interface InputToken {
  /** Tells calls apart for which the source gives tokens of different callers; throws as its `cacheKey` does. */
  cacheKey(request: TokenRequest): string;
  /** Asks the source. Rejects with an error of latchkey. */
  obtain(request: TokenRequest, signal: AbortSignal): Promise<string>;
  /** Says that the server refused a value: a source with a cache has another the next time. */
  disown(value: string): void;
}

/**
 * Creates an {@link InputToken}.
 *
 * @param field - Name of the option, for messages.
 * @param source - Asked with what the call carries, for a token that the authorization server takes.
 * @param issuer - Issuer identifier of that server.
 * @throws TypeError if `source` is no token source.
 */
export function createInputToken(field: string, source: TokenSource, issuer: string): InputToken {
  if (typeof source?.getToken !== "function") {
    throw new TypeError(`${field} must be a token source, got ${typeName(source)}`);
  }
  const { origin } = new URL(issuer);
  const toOwn = ({ contextValues }: TokenRequest, signal: AbortSignal): TokenRequest =>
    requestFor(source, { audience: issuer, origin, signal, ...(contextValues !== undefined && { contextValues }) });

  return {
    cacheKey: (request) => cacheKeyOf(source, toOwn(request, request.signal)),
    async obtain(request, signal) {
      let value: unknown;
      try {
        ({ value } = await source.getToken(toOwn(request, signal)));
      } catch (error) {
        throw toSourceFailure(error);
      }
      if (typeof value === "string" && value !== "") return value;
      throw new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", `The source of the ${field} gave no text`);
    },
    disown(value) {
      if (isCachedTokenSource(source)) source.invalidate(value);
    },
  };
}
