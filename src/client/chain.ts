import { type AuthError, CredentialError, TokenSourceError } from "../errors.js";
import { typeName } from "../lib/options.js";
import type { Token, TokenRequest, TokenSource } from "../token/token.js";
import { cacheKeyOf, requestFor } from "./cache-key.js";
import { toSourceFailure } from "./refresh-backoff.js";

/**
 * A source that asks several, one after the other, and gives the token of the first that has one.
 *
 * It moves on from a source that is not there: `ERR_TOKEN_SOURCE_UNAVAILABLE` (which any error that is not latchkey's
 * counts as), and a key or credential that does not exist (`ERR_KEY_MISSING`, `ERR_CREDENTIAL_NOT_FOUND`). It stops at
 * every other failure, such as a refusal or a damaged key: another identity would hide what has to be mended. So each
 * source should stand for the same rights, for which of them answers depends on what is up.
 *
 * Each time a token is wanted it begins with the first one. All of them together have the time that
 * `cachedTokens` grants one source; an abort ends the chain. Tokens are cached per what all sources tell callers apart
 * by, and go to the origin of the first call only unless every source makes tokens for the origin of each call.
 *
 * `getToken()` rejects with {@link TokenSourceError} `ERR_TOKEN_SOURCE_UNAVAILABLE` when all are unavailable, its message
 * with the code of each and an `AggregateError` as cause; with the code of the failure that stopped it, which is the
 * cause; or with the signal's reason.
 *
 * @example
 * ```ts
 * import { bearerAuth, chain } from "latchkey/client";
 * import { tokenFile } from "latchkey/node";
 *
 * const source = chain(tokenFile("/var/run/secrets/tokens/jobs"), tokenFile("/etc/jobs/token"));
 * const interceptor = bearerAuth(source, { origins: ["https://jobs.example"] });
 * ```
 *
 * @param sources - At least one, the preferred one first.
 * @throws TypeError if there is none, or one is no token source.
 */
export function chain(...sources: readonly TokenSource[]): TokenSource {
  if (sources.length === 0) throw new TypeError("chain() needs at least one token source");
  for (const [index, source] of sources.entries()) {
    if (typeof source?.getToken !== "function") {
      throw new TypeError(`sources[${index}] must be a token source, got ${typeName(source)}`);
    }
  }
  return {
    getToken: (request) => firstToken(sources, request),
    // Which source will answer is not known yet: a key stands for whatever any of them might give.
    cacheKey: (request) => JSON.stringify(sources.map((source) => cacheKeyOf(source, request))),
    ...(sources.every(({ audienceBound }) => audienceBound === true) && { audienceBound: true }),
  };
}

async function firstToken(sources: readonly TokenSource[], request: TokenRequest): Promise<Token> {
  const failures: AuthError[] = [];
  for (const source of sources) {
    request.signal.throwIfAborted();
    try {
      return await source.getToken(requestFor(source, request));
    } catch (error) {
      request.signal.throwIfAborted();
      const failure = toSourceFailure(error);
      if (!isAbsence(failure)) throw withPosition(failure, failures, sources.length);
      failures.push(failure);
    }
  }
  throw allUnavailable(failures);
}

function isAbsence({ code }: AuthError): boolean {
  return code === "ERR_TOKEN_SOURCE_UNAVAILABLE" || code === "ERR_KEY_MISSING" || code === "ERR_CREDENTIAL_NOT_FOUND";
}

/** Says which source stopped the chain, and what those before it said. */
function withPosition(failure: AuthError, before: readonly AuthError[], count: number): AuthError {
  const codes = before.length === 0 ? "" : `, after ${listCodes(before)}`;
  const message = `${failure.message} (token source ${before.length + 1} of ${count}${codes})`;
  if (failure instanceof CredentialError) return new CredentialError(failure.code, message, { cause: failure });
  if (!(failure instanceof TokenSourceError)) return failure;
  return new TokenSourceError(failure.code, message, { cause: failure, ...retryAfter([failure]) });
}

function allUnavailable(failures: readonly AuthError[]): TokenSourceError {
  const message = `None of the token sources has a token: ${listCodes(failures)}`;
  return new TokenSourceError("ERR_TOKEN_SOURCE_UNAVAILABLE", message, {
    cause: new AggregateError(failures, message),
    ...retryAfter(failures),
  });
}

function listCodes(failures: readonly AuthError[]): string {
  return failures.map(({ code }, index) => `${index + 1}: ${code}`).join(", ");
}

/** The shortest wait that is asked for, when all ask for one: a source that does not may have a token any time. */
function retryAfter(failures: readonly AuthError[]): { readonly retryAfterMs?: number } {
  const waits = failures.map((failure) => (failure instanceof TokenSourceError ? failure.retryAfterMs : undefined));
  const known = waits.filter((wait) => wait !== undefined);
  return known.length === waits.length ? { retryAfterMs: Math.min(...known) } : {};
}
