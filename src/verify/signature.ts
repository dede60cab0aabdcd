import { compactVerify } from "jose";
import { KeysUnavailableError, TokenRejectedError } from "../errors.js";

/**
 * Checks the signature of a compact JWS. Rejects with {@link TokenRejectedError} `ERR_TOKEN_SIGNATURE` unless it is good
 * for this key and this algorithm, and with {@link KeysUnavailableError} `ERR_TOO_MANY_PENDING`.
 */
export type VerifySignature = (token: string, key: CryptoKey, algorithm: string) => Promise<void>;

/** Creates a {@link VerifySignature} that has at most `maxPending` checks under way and turns away the others at once. */
export function createVerifySignature(maxPending: number): VerifySignature {
  let pending = 0;
  return async (token, key, algorithm) => {
    if (pending >= maxPending) {
      throw new KeysUnavailableError("ERR_TOO_MANY_PENDING", "Too many tokens are being verified");
    }
    pending++;
    try {
      await compactVerify(token, key, { algorithms: [algorithm] });
    } catch {
      // Without the cause: errors of the JOSE library carry what was decoded, and an inspected error shows its cause.
      throw new TokenRejectedError("ERR_TOKEN_SIGNATURE", "The signature does not verify");
    } finally {
      pending--;
    }
  };
}
