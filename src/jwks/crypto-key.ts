import { TokenRejectedError } from "../errors.js";
import { bytesToBigInt, isSoundExponent, isSoundSize } from "../lib/rsa-soundness.js";
import type { JwsAlgorithm } from "../token/algorithms.js";
import type { VerificationKey } from "./verification-key.js";

const EC_ALGORITHMS: ReadonlyMap<string, JwsAlgorithm> = new Map([
  ["P-256", "ES256"],
  ["P-384", "ES384"],
  ["P-521", "ES512"],
]);
const RSA_ALGORITHMS: ReadonlyMap<string, JwsAlgorithm> = new Map([
  ["RSASSA-PKCS1-v1_5 SHA-256", "RS256"],
  ["RSASSA-PKCS1-v1_5 SHA-384", "RS384"],
  ["RSASSA-PKCS1-v1_5 SHA-512", "RS512"],
  ["RSA-PSS SHA-256", "PS256"],
  ["RSA-PSS SHA-384", "PS384"],
  ["RSA-PSS SHA-512", "PS512"],
]);

/**
 * Makes a verification key of one that the caller has imported already, under the rules of
 * {@link importVerificationKey}.
 *
 * @throws TokenRejectedError `ERR_KEY_UNUSABLE`.
 */
export function toVerificationKey(kid: string, key: CryptoKey): VerificationKey {
  const algorithm = key.type === "public" && key.usages.includes("verify") ? findAlgorithm(key) : undefined;
  if (algorithm === undefined) throw new TokenRejectedError("ERR_KEY_UNUSABLE", "The key is not usable: algorithm");
  return { kid, algorithms: [algorithm], key: (wanted) => (wanted === algorithm ? key : undefined) };
}

function findAlgorithm({ algorithm }: CryptoKey): JwsAlgorithm | undefined {
  if (algorithm.name === "Ed25519") return "EdDSA";
  if (algorithm.name === "ECDSA") return EC_ALGORITHMS.get((algorithm as EcKeyAlgorithm).namedCurve);
  if (algorithm.name !== "RSASSA-PKCS1-v1_5" && algorithm.name !== "RSA-PSS") return undefined;
  const { modulusLength, publicExponent, hash } = algorithm as RsaHashedKeyAlgorithm;
  if (!isSoundSize(modulusLength) || !isSoundExponent(bytesToBigInt(publicExponent))) return undefined;
  return RSA_ALGORITHMS.get(`${algorithm.name} ${hash.name}`);
}
