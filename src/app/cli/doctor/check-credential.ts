import { AuthError } from "../../../errors.js";
import type { CredentialStore } from "../../../keys/credential-store.js";
import { importCommand } from "../import-command.js";
import type { Finding } from "./finding.js";

/** Checks the credential that commands sign with unless told otherwise: its files, and whether a server knows it. */
export async function checkCredential(store: CredentialStore): Promise<Finding> {
  try {
    const credential = await store.get();
    await store.signingKey(credential.name);
    const { name, imported, orgId } = credential;
    if (imported)
      return { state: "ok", text: `credential ${name} of ${orgId ?? "an unknown organisation"} is imported` };
    const command = await importCommand(credential, store);
    return { state: "wrong", text: `no server has imported credential ${name}, by what is noted here: ${command}` };
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
    return { state: "wrong", text: error.message };
  }
}
