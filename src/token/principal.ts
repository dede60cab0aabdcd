/** Who calls, as a verified token says it. Deeply frozen: no handler can change what the next one sees. */
export interface Principal {
  /** The "sub" claim. */
  readonly subject: string;
  /** Stable identifier to authorise and record by; the "sub" claim unless another claim or record names it. */
  readonly principalId: string;
  /** Organisation of the caller; undefined when the token names none. */
  readonly org: string | undefined;
  /** Roles of the caller. */
  readonly roles: ReadonlySet<string>;
  /** OAuth scopes of the token. */
  readonly scopes: ReadonlySet<string>;
  /** The "iss" claim. */
  readonly issuer: string;
  /** The "aud" claim, as an array. */
  readonly audience: readonly string[];
  /** The "kid" of the key that verified the token. */
  readonly kid: string;
  /** When the token expires, in milliseconds since the epoch. */
  readonly expiresAtMs: number;
  /** Every claim of the token, deeply frozen. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Who acts on behalf of the subject (RFC 8693 section 4.1). */
  readonly actor?: Principal;
}
