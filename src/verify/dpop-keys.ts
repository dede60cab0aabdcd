import { LRUCache } from "lru-cache";
import { importVerificationKey, type VerificationKey } from "../jwks/verification-key.js";
import { invalidProof } from "./dpop-proof.js";
import { jwkThumbprint } from "./jwk-thumbprint.js";

/** The keys that proofs bring along. */
export interface DpopKeys {
  /**
   * Gives the key of a proof, imported for one algorithm. Rejects with {@link TokenRejectedError} `ERR_PROOF_INVALID`
   * unless it is the key that the token is bound to, public, sound, and good for the algorithm.
   */
  getKey(jwk: Readonly<Record<string, unknown>>, thumbprint: string, algorithm: string): Promise<CryptoKey>;
}

/** A key as it was brought, and what became of it. */
interface BroughtKey {
  readonly text: string;
  readonly key: Promise<VerificationKey>;
}

/**
 * Creates {@link DpopKeys} that remember the keys of `maxKeys` callers, those not seen for longest being forgotten.
 *
 * One key is remembered per thumbprint, so that a caller takes one place however many variants of a key it brings. What
 * was looked at is the JWK as a whole: another one with the same thumbprint, with a private member perhaps, is looked at
 * anew.
 *
 * Spec: RFC 9449 section 4.3, items 5, 7 and 12.
 */
export function createDpopKeys(maxKeys: number): DpopKeys {
  const known = new LRUCache<string, BroughtKey>({ max: maxKeys });

  const bring = (jwk: Readonly<Record<string, unknown>>, text: string, thumbprint: string): BroughtKey => {
    // Before anything that costs: a thief of tokens has no key that fits.
    if (jwkThumbprint(jwk) !== thumbprint) throw invalidProof("the token is bound to another key");
    // A key of a set has a "kid" there; this one needs no other name than its own.
    const brought = { text, key: importVerificationKey({ ...jwk, kid: thumbprint }) };
    known.set(thumbprint, brought);
    brought.key.catch(() => {
      if (known.peek(thumbprint) === brought) known.delete(thumbprint);
    });
    return brought;
  };

  return {
    async getKey(jwk, thumbprint, algorithm) {
      const text = JSON.stringify(jwk);
      const remembered = known.get(thumbprint);
      const { key: importing } = remembered?.text === text ? remembered : bring(jwk, text, thumbprint);
      let key: CryptoKey | undefined;
      try {
        key = await (await importing).key(algorithm);
      } catch {
        throw invalidProof("its key is not usable");
      }
      if (key === undefined) throw invalidProof("its key does not serve its algorithm");
      return key;
    },
  };
}
