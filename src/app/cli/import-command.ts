import type { Credential } from "../../keys/credential.js";
import type { CredentialStore } from "../../keys/credential-store.js";

/** Gives the command that imports a credential, with an admin's credential of this machine if there is one. */
export async function importCommand(credential: Credential, store: CredentialStore): Promise<string> {
  const all = await store.list();
  const admin = all.find(
    ({ name, imported, roles, orgId }) =>
      name !== credential.name &&
      imported &&
      roles.includes("admin") &&
      (credential.orgId === undefined || orgId === credential.orgId),
  );
  return `latchkey credentials import ${credential.name} --as ${admin?.name ?? "ADMIN"}`;
}
