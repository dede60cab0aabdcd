import type { SigningKey } from "../keys/signing-key.js";
import { assertNonEmptyString, typeName } from "../lib/options.js";
import { isJwsAlgorithm } from "../token/algorithms.js";

/** What {@link signedJwt} and {@link privateKeyJwt} need of a key; a {@link SigningKey} has it. */
export type TokenSigningKey = Pick<SigningKey, "kid" | "algorithm" | "privateKey">;

/**
 * Throws unless a key can sign tokens.
 *
 * @throws TypeError naming the part of the key that cannot be used.
 */
export function assertSigningKey(key: TokenSigningKey): void {
  if (typeof key !== "object" || key === null) throw new TypeError(`key must be a signing key, got ${typeName(key)}`);
  assertNonEmptyString("key.kid", key.kid);
  if (!isJwsAlgorithm(key.algorithm)) throw new TypeError("key.algorithm must be a supported signature algorithm");
  const { privateKey } = key;
  if (!(privateKey instanceof CryptoKey) || privateKey.type !== "private" || !privateKey.usages.includes("sign")) {
    throw new TypeError('key.privateKey must be a private CryptoKey with the usage "sign"');
  }
}
