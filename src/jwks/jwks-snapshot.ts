import type { PublicJwk } from "./key-set.js";

/** A key set in a form that can be stored and handed to {@link Jwks.hydrate}: public keys only, whatever was published. */
export interface JwksSnapshot {
  /** Where it was fetched. */
  readonly url: string;
  /** The usable keys, as published. */
  readonly keys: readonly PublicJwk[];
  /** "ETag" of the answer. */
  readonly etag?: string;
  /** "Last-Modified" of the answer. */
  readonly lastModified?: string;
  /** When the request was sent that gave or last confirmed it, in milliseconds since the epoch. */
  readonly fetchedAtMs: number;
  /** How long it is fresh from then on, in milliseconds. */
  readonly ttlMs: number;
}
