import { exportJWK, generateKeyPair, type JWK } from "jose";
import type { JwsAlgorithm } from "../token/algorithms.js";

/** A key pair of a test issuer. */
export interface TestKey {
  /** The one algorithm it signs with. */
  readonly algorithm: JwsAlgorithm;
  /** Its name. */
  readonly kid: string;
  /** The public part, ready to publish. */
  readonly publicJwk: JWK;
  /** Signs bytes as they are. */
  sign(input: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

/** Generates a key pair. */
export async function createTestKey(algorithm: JwsAlgorithm, kid: string): Promise<TestKey> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm);
  // A hash of 256, 384 or 512 bits; what a key does not need of these parameters it ignores.
  const bits = Number(algorithm.slice(2));
  const parameters = { name: privateKey.algorithm.name, hash: `SHA-${bits}`, saltLength: bits / 8 };
  return {
    algorithm,
    kid,
    publicJwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: "sig" },
    sign: async (input) => new Uint8Array(await crypto.subtle.sign(parameters, privateKey, input)),
  };
}
