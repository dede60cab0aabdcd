import { importJWK, type JWK } from "jose";
import { TokenRejectedError } from "../errors.js";
import { algorithmsForKey, type JwsAlgorithm } from "../token/algorithms.js";
import { findFlaw } from "./key-hygiene.js";

/** A public key that was looked at, imported and found usable. */
export interface VerificationKey {
  /** Its "kid". */
  readonly kid: string;
  /** What it may verify: what its type and curve allow and, when the key states one, its "alg". */
  readonly algorithms: readonly JwsAlgorithm[];
  /**
   * The imported key for one algorithm; always the same object. Not extractable, good for nothing but verifying.
   *
   * @returns The key, a promise of it at the first use of a second algorithm, or undefined when the key does not serve
   * the algorithm.
   */
  key(algorithm: string): CryptoKey | Promise<CryptoKey> | undefined;
}

/**
 * Imports a public key for verifying signatures.
 *
 * Costs one import; an RSA key without "alg" is imported again at the first use of each further algorithm.
 *
 * Spec: RFC 7517 section 4, RFC 8725 sections 3.1 and 3.5.
 *
 * Rejects with {@link TokenRejectedError} `ERR_KEY_UNUSABLE`, with a text that shows nothing of the key.
 *
 * @param jwk - Anything; what is not a sound public key with a "kid" is refused.
 */
export async function importVerificationKey(jwk: unknown): Promise<VerificationKey> {
  const flaw = findFlaw(jwk);
  if (flaw !== undefined) throw new TokenRejectedError("ERR_KEY_UNUSABLE", `The key is not usable: ${flaw}`);
  const { kid, ...parameters } = jwk as JWK & { readonly kid: string };
  const algorithms = algorithmsForKey(parameters);
  const imported = new Map<string, CryptoKey | Promise<CryptoKey>>();
  const load = async (algorithm: JwsAlgorithm): Promise<CryptoKey> => {
    const key = await importPublic(parameters, algorithm);
    imported.set(algorithm, key);
    return key;
  };
  // At once, for a point off its curve shows only here.
  await load(algorithms[0] as JwsAlgorithm);
  return {
    kid,
    algorithms,
    key(algorithm) {
      const known = imported.get(algorithm);
      if (known !== undefined) return known;
      const served = algorithms.find((name) => name === algorithm);
      if (served === undefined) return undefined;
      const loading = load(served);
      // Whoever only peeks does not wait for it.
      loading.catch(() => {});
      imported.set(served, loading);
      return loading;
    },
  };
}

async function importPublic({ kty, crv, x, y, n, e }: JWK, algorithm: JwsAlgorithm): Promise<CryptoKey> {
  // Only what defines the key: "key_ops", "ext" and "alg" of the publisher would decide what the import permits.
  const bare = kty === "RSA" ? { kty, n, e } : kty === "EC" ? { kty, crv, x, y } : { kty, crv, x };
  try {
    return (await importJWK({ ...bare } as JWK, algorithm, { extractable: false })) as CryptoKey;
  } catch {
    throw new TokenRejectedError("ERR_KEY_UNUSABLE", "The key is not usable: invalid");
  }
}
