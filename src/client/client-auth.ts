/** A token request that is to be authenticated. */
export interface ClientAuthRequest {
  /** Issuer identifier of the authorization server, as configured. */
  readonly issuer: string;
  /** Where the request goes. */
  readonly tokenEndpoint: string;
  /** Who asks. */
  readonly clientId: string;
  /** The present by the server's clock as far as it is known, in milliseconds since the epoch. */
  readonly nowMs: number;
  /** Parameters of the request; those that authenticate the client are set here … */
  readonly body: URLSearchParams;
  /** … or its headers. */
  readonly headers: Headers;
}

/**
 * How a client proves to an authorization server who it is: a port, of which {@link privateKeyJwt} is one.
 *
 * Spec: RFC 6749 section 2.3, RFC 7521 section 4.2.
 */
export interface ClientAuth {
  /**
   * Adds what authenticates the client to a request. Called once for each request that is sent, repetitions too: what
   * is used up by a request must be made anew.
   */
  authenticate(request: ClientAuthRequest): void | Promise<void>;
  /**
   * Whether it vouches for the client at the address that the request goes to, rather than at the issuer. It is then
   * refused where that address is discovered. @defaultValue `false`
   */
  readonly boundToEndpoint?: boolean;
}
