import { hash, randomBytes } from "node:crypto";
import { KeysUnavailableError, TokenRejectedError } from "../errors.js";
import type { Clock } from "../lib/clock.js";
import { createDpopKeys } from "./dpop-keys.js";
import { createDpopNonces, type DpopNonces } from "./dpop-nonce.js";
import { type DpopOptions, type DpopSettings, resolveDpopOptions } from "./dpop-options.js";
import { invalidProof, type ProofCheck, readProof } from "./dpop-proof.js";
import { replaceOrigin } from "./dpop-target.js";
import { createMemoryReplayStore } from "./memory-replay-store.js";
import { createClaimProof } from "./replay-claim.js";
import { createVerifySignature } from "./signature.js";

export type { DpopOptions } from "./dpop-options.js";
export type { ProofCheck } from "./dpop-proof.js";

/** Checks the proofs that come with tokens bound to a key. */
export interface DpopVerifier {
  /** Accepted algorithms, to be told in challenges. */
  readonly algorithms: readonly string[];
  /** The nonce for the `DPoP-Nonce` header of every answer (RFC 9449 section 8.2); undefined when none is asked for. */
  nonce(): string | undefined;
  /**
   * Checks that the holder of the token's key made this very call, just now, for the first time. To be asked once per
   * call, after the token was verified.
   *
   * Rejects with {@link TokenRejectedError} `ERR_PROOF_MISSING`, `ERR_PROOF_INVALID`, `ERR_PROOF_NONCE` or
   * `ERR_PROOF_REPLAYED`, with {@link KeysUnavailableError} `ERR_REPLAY_UNAVAILABLE` or `ERR_TOO_MANY_PENDING`, or with
   * the reason of `signal`.
   */
  check(check: ProofCheck, signal?: AbortSignal): Promise<void>;
}

/** What a {@link DpopVerifier} shares with the verifier of tokens. */
export interface DpopContext {
  /** Time. */
  readonly clock: Clock;
  /** How far clocks may be apart, in milliseconds. */
  readonly toleranceMs: number;
  /** Most signature checks under way, and most answers of the replay store waited for. @defaultValue `256` */
  readonly maxPending?: number;
}

const DEFAULTS = { maxPending: 256 } as const satisfies Partial<DpopContext>;
/** Longest wait for the replay store. */
const REPLAY_TIMEOUT_MS = 250;
/** Callers whose keys stay imported. */
const MAX_KEYS = 1_000;

/**
 * Creates a {@link DpopVerifier}.
 *
 * The checks come in the order of their cost: form and claims, the key's thumbprint, the nonce, then the key itself and
 * the signature, and last whether the proof is new, so that nothing is remembered of a proof that nobody signed. A proof
 * costs one signature check and 30 to 45 µs, at the first call of a caller the import of its key besides. A stranger's
 * costs no cryptography but two hashes, about 15 µs in all.
 *
 * Spec: RFC 9449 sections 4.3, 7.1, 8, 9 and 11.1.
 *
 * @throws TypeError or RangeError naming the option that cannot be used.
 */
export function createDpopVerifier(options: DpopOptions, context: DpopContext): DpopVerifier {
  const settings = resolveDpopOptions(options);
  const { clock, toleranceMs, maxPending = DEFAULTS.maxPending } = context;
  const rules = { algorithms: settings.algorithms, maxAgeMs: settings.maxAgeMs, toleranceMs };
  const nonces = settings.requireNonce ? openNonces(settings, context) : undefined;
  const keys = createDpopKeys(MAX_KEYS);
  const verifySignature = createVerifySignature(maxPending);
  const claimProof = createClaimProof(
    settings.replayStore ?? createMemoryReplayStore({ clock }),
    { timeoutMs: REPLAY_TIMEOUT_MS, maxPending },
    clock,
  );

  return {
    algorithms: [...settings.algorithms],
    nonce: () => nonces?.issue(),
    async check(check, signal = new AbortController().signal) {
      signal.throwIfAborted();
      const url = replaceOrigin(check.url, settings.origin);
      const { jws, jwk, id, nonce, expiresAtMs } = readProof({ ...check, url }, rules, clock.nowMs());
      const importKey = keys.requireBound(jwk, check.thumbprint, jws.alg);
      if (nonces?.isFresh(nonce) === false) {
        throw new TokenRejectedError("ERR_PROOF_NONCE", "The proof has no recent nonce of this server");
      }
      const key = await importKey();
      try {
        await verifySignature(jws, key);
      } catch (error) {
        throw error instanceof KeysUnavailableError ? error : invalidProof("its signature does not verify");
      }
      // By the clock of another server it may be good for a while longer.
      await claimProof(digestProof(check.thumbprint, id), expiresAtMs + toleranceMs, signal);
      // All that may have taken long enough for the store to have forgotten it.
      if (clock.nowMs() >= expiresAtMs) throw invalidProof("it is too old");
    },
  };
}

function openNonces(settings: DpopSettings, { clock, toleranceMs }: DpopContext): DpopNonces {
  const { nonceSecret: secret = randomBytes(32), nonceLifetimeMs: lifetimeMs } = settings;
  return createDpopNonces({ secret, lifetimeMs, toleranceMs, clock });
}

/** Names a proof by its key and "jti". The thumbprint always has one length: no two pairs make one text. */
function digestProof(thumbprint: string, id: string): string {
  return hash("sha256", thumbprint + id, "base64url");
}
