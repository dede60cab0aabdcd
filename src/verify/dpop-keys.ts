import { LRUCache } from "lru-cache";
import { importVerificationKey, type VerificationKey } from "../jwks/verification-key.js";
import { invalidProof } from "./dpop-proof.js";
import { jwkThumbprint } from "./jwk-thumbprint.js";

/** The keys that proofs bring along. */
export interface DpopKeys {
  /**
   * Requires the key of a proof to be the one that the token is bound to, which costs a hash at most.
   *
   * @param algorithm - That of the proof.
   * @returns What imports the key.
   * @throws TokenRejectedError `ERR_PROOF_INVALID`.
   */
  requireBound(jwk: Readonly<Record<string, unknown>>, thumbprint: string, algorithm: string): ImportKey;
}

/**
 * Imports the key for the algorithm of its proof, unless it is in hand. Rejects with {@link TokenRejectedError}
 * `ERR_PROOF_INVALID` unless the key is public, sound, and good for the algorithm.
 */
export type ImportKey = () => Promise<CryptoKey>;

/** A key as it was brought, and what became of it. */
interface BroughtKey {
  readonly text: string;
  readonly key: Promise<VerificationKey>;
}

/**
 * Creates {@link DpopKeys} that remember the keys of `maxKeys` callers, those not seen for longest being forgotten.
 *
 * One key is remembered per thumbprint, so that a caller takes one place however many variants of a key it brings. What
 * was looked at is the JWK as a whole, for one algorithm: another one with the same thumbprint, with a private member
 * perhaps, is looked at anew.
 *
 * Spec: RFC 9449 section 4.3, items 5, 7 and 12.
 */
export function createDpopKeys(maxKeys: number): DpopKeys {
  const known = new LRUCache<string, BroughtKey>({ max: maxKeys });

  const bring = (jwk: Readonly<Record<string, unknown>>, text: string, thumbprint: string): BroughtKey => {
    const brought = { text, key: importVerificationKey(jwk) };
    known.set(thumbprint, brought);
    brought.key.catch(() => {
      if (known.peek(thumbprint) === brought) known.delete(thumbprint);
    });
    return brought;
  };

  return {
    requireBound(jwk, thumbprint, algorithm) {
      // A key of a set has a "kid" there; this one needs no other name than its own. One that states no algorithm is
      // for that of its proof: an RSA key, which serves many, is then imported for it alone.
      const named = { alg: algorithm, ...jwk, kid: thumbprint };
      const text = JSON.stringify(named);
      const remembered = known.get(thumbprint);
      const isKnown = remembered?.text === text;
      if (!isKnown && jwkThumbprint(jwk) !== thumbprint) throw invalidProof("the token is bound to another key");
      return async () => {
        const { key: importing } = isKnown ? remembered : bring(named, text, thumbprint);
        let key: CryptoKey | undefined;
        try {
          key = await (await importing).key(algorithm);
        } catch {
          throw invalidProof("its key is not usable");
        }
        if (key === undefined) throw invalidProof("its key does not serve its algorithm");
        return key;
      };
    },
  };
}
