import { type Command, Option } from "commander";
import { isFingerprint } from "../../../keys/thumbprint.js";
import type { CliContext } from "../cli-context.js";
import { type ConnectionFlags, openConnection } from "../connection.js";
import { explainingFailures } from "../describe-error.js";
import { addConnectionFlags } from "../flags.js";
import { openCredentials } from "../home.js";
import { parseName } from "../option-values.js";

interface RevokeFlags extends ConnectionFlags {
  readonly as?: string;
}

/** Adds `latchkey credentials revoke`. */
export function addCredentialsRevokeCommand(credentials: Command, context: CliContext): void {
  const command = credentials
    .command("revoke")
    .description("make the server refuse a credential from now on; this cannot be undone")
    .argument("<credential>", "name of a credential of this user, or a fingerprint");
  addConnectionFlags(command)
    .addOption(
      new Option("--as <name>", "credential of an admin to call with; the same as --credential").argParser(parseName),
    )
    .action((name: string, flags: RevokeFlags) => context.run(() => revoke(name, flags, context)));
}

async function revoke(nameOrFingerprint: string, flags: RevokeFlags, context: CliContext): Promise<number> {
  const admin = flags.as ?? flags.credential;
  using connection = await openConnection({ ...flags, ...(admin !== undefined && { credential: admin }) }, context);
  const store = openCredentials(context.env);
  const local = (await store.list()).find(
    ({ name, fingerprint }) => name === nameOrFingerprint || fingerprint === nameOrFingerprint,
  );
  const known = local === undefined && isFingerprint(nameOrFingerprint);
  // Asked of the store for the error that lists what there is.
  const fingerprint = known ? nameOrFingerprint : (local ?? (await store.get(nameOrFingerprint))).fingerprint;
  await explainingFailures(connection, () => connection.credentials.revokeCredential({ fingerprint }));
  if (local !== undefined) await store.update(local.name, { imported: false });
  context.print(`revoked ${local?.name ?? fingerprint}`);
  return 0;
}
