/** A bearer token as a client holds it. */
export interface Token {
  /** The text after `Bearer `. */
  readonly value: string;
  /** When it stops being accepted, in milliseconds since the epoch. */
  readonly expiresAtMs: number;
  /** When it was issued, in milliseconds since the epoch; absent: when it was obtained. */
  readonly issuedAtMs?: number;
}

/** What a call carries beside its message: Connect's `ContextValues` fit. */
export interface ContextValuesLike {
  /** Gives a value, or the default of its key. */
  get<T>(key: { readonly id: symbol; readonly defaultValue: T }): T;
}

/** What a call needs a token for. */
export interface TokenRequest {
  /** Audience the token shall be for: what was configured, or else the origin of the call. */
  readonly audience: string;
  /** Origin of the call, such as `https://jobs.example`. */
  readonly origin: string;
  /**
   * What the call carries, for a source that serves several callers: its `cacheKey` has to tell them apart. A cache shows
   * it to no source without one.
   */
  readonly contextValues?: ContextValuesLike;
  /** Ends the wait. Work that others share goes on. */
  readonly signal: AbortSignal;
  /** A token value that the server has just rejected: answer with another one, or fail. */
  readonly rejected?: string;
}

/** Where tokens come from: the one port between obtaining tokens and caching them. */
export interface TokenSource {
  /**
   * Obtains a token. Called once per roll-over by the cache, not once per call.
   *
   * Rejects with {@link TokenSourceError}, or with the signal's reason.
   */
  getToken(request: TokenRequest): Promise<Token>;
  /** Tokens of one source with equal keys are interchangeable. Absent: one token per audience. */
  cacheKey?(request: TokenRequest): string;
  /**
   * Whether tokens are made for the audience of each call. Such a source may be asked for any permitted origin; every
   * other source is bound to the origin of its first call.
   */
  readonly audienceBound?: boolean;
  /**
   * How long each of its tokens lives, in milliseconds, where that is known beforehand: a cache then refuses at
   * construction what cannot work. Absent: it shows with each token.
   */
  readonly lifetimeMs?: number;
}
