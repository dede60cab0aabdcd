import { TokenSourceError } from "../errors.js";
import type { ContextValuesLike, TokenRequest, TokenSource } from "../token/token.js";

/**
 * Gives the key under which the tokens of a source are interchangeable: its own, or else the audience.
 *
 * @throws TokenSourceError `ERR_TOKEN_SOURCE_INVALID` when its `cacheKey` gives no text: two callers of whom nothing is
 * known must not pass for one.
 */
export function cacheKeyOf(source: Pick<TokenSource, "cacheKey">, request: TokenRequest): string {
  const key: unknown = source.cacheKey === undefined ? request.audience : source.cacheKey(request);
  if (typeof key === "string") return key;
  throw new TokenSourceError("ERR_TOKEN_SOURCE_INVALID", "The cacheKey of a token source gave no text");
}

/**
 * Gives a request as a source may see it. Without a `cacheKey` nobody could tell its tokens apart by caller, so a source
 * that has none and reads the context values fails, instead of giving one caller the token of another.
 */
export function requestFor(source: Pick<TokenSource, "cacheKey">, request: TokenRequest): TokenRequest {
  if (source.cacheKey !== undefined || request.contextValues === undefined) return request;
  return { ...request, contextValues: LOCKED };
}

const LOCKED: ContextValuesLike = {
  get() {
    throw new TokenSourceError(
      "ERR_TOKEN_SOURCE_INVALID",
      "A token source that reads contextValues needs a cacheKey that tells its callers apart",
    );
  },
};
