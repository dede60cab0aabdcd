import { KeysUnavailableError, TokenRejectedError } from "../errors.js";
import type { Clock } from "../lib/clock.js";
import { withDeadline } from "../lib/deadline.js";
import { raceSignal } from "../lib/signal.js";
import type { ReplayStore } from "./replay-store.js";

/**
 * Lets a proof pass that was not used before. Rejects with {@link TokenRejectedError} `ERR_PROOF_REPLAYED`, with
 * {@link KeysUnavailableError} `ERR_REPLAY_UNAVAILABLE` when nobody can say, or `ERR_TOO_MANY_PENDING`, or with the reason
 * of `signal`.
 *
 * @param expiresAtMs - When it could not be used anyway, in milliseconds since the epoch.
 */
export type ClaimProof = (id: string, expiresAtMs: number, signal: AbortSignal) => Promise<void>;

/** Limits of {@link createClaimProof}. */
export interface ClaimProofLimits {
  /** Longest wait for the store, in milliseconds. */
  readonly timeoutMs: number;
  /** Most answers waited for at a time; more callers are turned away. */
  readonly maxPending: number;
}

/**
 * Creates a {@link ClaimProof}. A store that is slow, broken or answers nonsense lets nobody pass.
 *
 * What the store throws is kept as the cause, for it was told nothing but a digest; an error of our own, such as that of a
 * full store, is passed on as it is.
 */
export function createClaimProof(store: ReplayStore, limits: ClaimProofLimits, clock: Clock): ClaimProof {
  const { timeoutMs, maxPending } = limits;
  let pending = 0;
  const ask = (id: string, expiresAtMs: number, signal: AbortSignal): Promise<unknown> =>
    withDeadline(
      // An async function, so that a store may answer, or throw, at once.
      (own) => raceSignal((async () => store.claim(id, expiresAtMs, { signal: own }))(), own),
      { timeoutMs, late: () => unavailable(), clock, signal },
    );
  return async (id, expiresAtMs, signal) => {
    if (pending >= maxPending) {
      throw new KeysUnavailableError("ERR_TOO_MANY_PENDING", "Too many answers about used proofs are waited for");
    }
    let isNew: unknown;
    pending++;
    try {
      isNew = await ask(id, expiresAtMs, signal);
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw cause instanceof KeysUnavailableError ? cause : unavailable({ cause });
    } finally {
      pending--;
    }
    if (isNew === false) throw new TokenRejectedError("ERR_PROOF_REPLAYED", "The proof was used before");
    if (isNew !== true) throw unavailable();
  };
}

function unavailable(options?: ErrorOptions): KeysUnavailableError {
  return new KeysUnavailableError(
    "ERR_REPLAY_UNAVAILABLE",
    "Nobody can say whether the proof was used before",
    options,
  );
}
