import { homedir } from "node:os";
import { join } from "node:path";
import type { CredentialStore } from "../../keys/credential-store.js";
import { openCredentialStore } from "../../keys/node-credential-store.js";
import type { Environment } from "./cli-context.js";

/** Directory of everything that is kept for this user: `$LATCHKEY_HOME`, or else `~/.latchkey`. */
export function homeDirectory(env: Environment): string {
  // An empty variable counts as unset: a relative directory would land wherever the command runs.
  return env["LATCHKEY_HOME"] || join(homedir(), ".latchkey");
}

/** Directory of the embedded database unless another one is named. */
export function defaultDataDirectory(env: Environment): string {
  return join(homeDirectory(env), "data");
}

/** Opens the credentials of this user. */
export function openCredentials(env: Environment): CredentialStore {
  return openCredentialStore(join(homeDirectory(env), "credentials"));
}
