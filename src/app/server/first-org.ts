import { ConfigError } from "../../errors.js";
import type { CredentialRecords } from "../credentials/credential-records.js";
import { parsePublicKeyPem } from "../credentials/public-key-pem.js";
import type { FirstOrg } from "./server-options.js";

/**
 * Makes the first organisation of a service, with an admin. Nothing happens when it is there already, so that a start
 * may be repeated as it is.
 *
 * Rejects with {@link ConfigError} `ERR_CONFIG_INVALID` when the service has other organisations: their admins decide
 * from then on.
 */
export async function ensureFirstOrg(records: CredentialRecords, { name, admin, recorded }: FirstOrg): Promise<void> {
  const orgs = await records.orgs();
  if (orgs.includes(name)) return;
  if (orgs.length > 0) {
    const message = `organisation ${name} cannot be made: this service has organisations already (${orgs.join(", ")})`;
    throw new ConfigError("ERR_CONFIG_INVALID", message);
  }
  const credential = await admin();
  const key = await parsePublicKeyPem(credential.publicKeyPem);
  const principalId = credential.principalId ?? key.fingerprint;
  await records.importKey({ orgId: name, key, name: credential.name, principalId, roles: ["admin"] });
  await recorded(credential.name);
}
