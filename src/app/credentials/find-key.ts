import { isFingerprint } from "../../keys/thumbprint.js";
import type { FindKey } from "../../verify/trusted-issuer.js";
import type { CredentialRecords } from "./credential-records.js";

/** "iss" of the tokens that credentials sign for themselves. */
export const CREDENTIAL_ISSUER = "latchkey-cli";

/**
 * Creates the key look-up for tokens that credentials sign for themselves: their "kid" is a fingerprint.
 *
 * The record decides about organisation, principal and roles; a revoked or unknown credential has no key.
 */
export function createFindKey(records: Pick<CredentialRecords, "findInForce">): FindKey {
  return async (kid) => {
    // The "kid" is a stranger's: what cannot be a fingerprint costs no query.
    if (!isFingerprint(kid)) return undefined;
    const record = await records.findInForce(kid);
    if (record === undefined) return undefined;
    const { publicJwk, principalId, orgId, roles } = record;
    return { key: { ...publicJwk, kid }, principal: { principalId, org: orgId, roles } };
  };
}
