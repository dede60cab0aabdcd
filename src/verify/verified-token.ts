import type { Principal } from "../token/principal.js";
import type { Confirmation } from "./confirmation.js";
import type { TrustEntry } from "./trust-store.js";

/** A verified token: who it stands for, and what must still hold for that to be so. */
export interface VerifiedToken {
  readonly principal: Principal;
  /** "exp", in milliseconds since the epoch. */
  readonly expiresAtMs: number;
  /** "nbf" or "iat", whichever is later, in milliseconds since the epoch; `-Infinity` when there is neither. */
  readonly notBeforeMs: number;
  /** The keys that its sender has to prove. */
  readonly confirmation: Confirmation | undefined;
  readonly key: UsedKey;
}

/** A key that a signature was held against, for as long as its issuer gives the same one. */
export interface UsedKey {
  readonly entry: TrustEntry;
  readonly kid: string;
  readonly algorithm: string;
  /** See {@link SourceKey.handle}. */
  readonly handle: object;
}

/** Tells whether the issuer would give the same key today, without asking anyone. */
export function isCurrentKey({ entry, kid, algorithm, handle }: UsedKey): boolean {
  return entry.source.isCurrent(kid, algorithm, handle);
}
