/** What names a token to those who say whether it was revoked. Nothing in it is secret. */
export interface RevocationQuery {
  /** "iss". */
  readonly issuer: string;
  /** "kid" of the key that verified it. */
  readonly kid: string;
  /** "jti"; undefined when the token has none. */
  readonly jti: string | undefined;
  /** "sub". */
  readonly subject: string;
  /** "iat", in seconds since the epoch as the token has it; undefined when it has none. */
  readonly issuedAt: number | undefined;
}

/**
 * Says whether a token was taken back before its time. A port: in memory, by a list that is fetched now and then, or in
 * a store such as Redis. It has to know of a token until a minute after that has expired: no verifier that asks one
 * tolerates more.
 *
 * Asked for every call, also with a token that was verified before, and again and again while a stream runs. An answer
 * that is no promise costs a call nothing but this function.
 */
export interface Revocation {
  /**
   * Tells whether the token is revoked. What it throws, or rejects with, or an answer that is no boolean, means that
   * nobody can say: the call is refused as `unavailable`.
   *
   * @param options - A signal that aborts when the answer would come too late.
   */
  isRevoked(query: RevocationQuery, options: { readonly signal: AbortSignal }): boolean | Promise<boolean>;
}
