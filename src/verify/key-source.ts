import type { TrustedPrincipal } from "./trusted-issuer.js";

/** A key as an issuer's source gave it. */
export interface SourceKey {
  /** For one algorithm. */
  readonly key: CryptoKey;
  /** What is on record about its holder. */
  readonly principal: TrustedPrincipal | undefined;
  /** Stands for this very publication of the key; see {@link KeySource.isCurrent}. */
  readonly handle: object;
}

/** Where the keys of one issuer come from. */
export interface KeySource {
  /**
   * Gives the key for a "kid" and an algorithm.
   *
   * Rejects with {@link TokenRejectedError} when there is none, with {@link KeysUnavailableError} when nobody can say.
   */
  getKey(kid: string, algorithm: string): Promise<SourceKey>;
  /** Whether a key given before is still what the source would give, without asking anyone. */
  isCurrent(kid: string, algorithm: string, handle: object): boolean;
  /** Grows whenever keys may have gone: work begun before is not to be shared with callers who come after. */
  readonly generation: number;
  /** Forgets what is known of a key, so that it is looked up anew. */
  forgetKey(kid: string): void;
  /** Ends timers and requests. */
  [Symbol.dispose](): void;
}
