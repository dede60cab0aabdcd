import { toJson } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { CredentialSchema } from "#gen/latchkey/credentials/v1/credentials_pb.js";
import type { CliContext } from "../cli-context.js";
import { type ConnectionFlags, openConnection } from "../connection.js";
import { explainingFailures } from "../describe-error.js";
import { addConnectionFlags } from "../flags.js";
import { openCredentials } from "../home.js";
import { formatTable } from "../table.js";

interface ListFlags extends ConnectionFlags {
  readonly remote?: boolean;
  readonly json?: boolean;
}

/** Adds `latchkey credentials list`. */
export function addCredentialsListCommand(credentials: Command, context: CliContext): void {
  const command = credentials
    .command("list")
    .description("list the credentials of this user, or with --remote those that the server has on record");
  addConnectionFlags(command)
    .option("--remote", "ask the server; needs the role admin")
    .option("--json", "print a JSON array")
    .action((flags: ListFlags) =>
      context.run(() => (flags.remote === true ? listRemote(flags, context) : listLocal(flags, context))),
    );
}

async function listLocal(flags: ListFlags, context: CliContext): Promise<number> {
  const store = openCredentials(context.env);
  const all = await store.list();
  const defaultName = await store.defaultName();
  if (flags.json === true) {
    const entries = all.map((credential) => ({ ...credential, default: credential.name === defaultName }));
    context.print(JSON.stringify(entries, undefined, 2));
  } else if (all.length === 0) {
    context.note("no credentials yet: create one with `latchkey init`");
  } else {
    const rows = all.map(({ name, orgId, principalId, roles, imported, fingerprint }) => [
      name === defaultName ? `${name} *` : name,
      orgId ?? "",
      principalId ?? "",
      roles.join(","),
      imported ? "yes" : "no",
      fingerprint,
    ]);
    context.print(formatTable(["NAME (* DEFAULT)", "ORG", "PRINCIPAL", "ROLES", "IMPORTED", "FINGERPRINT"], rows));
  }
  return 0;
}

async function listRemote(flags: ListFlags, context: CliContext): Promise<number> {
  using connection = await openConnection(flags, context);
  const answer = await explainingFailures(connection, () => connection.credentials.listCredentials({}));
  if (flags.json === true) {
    const entries = answer.credentials.map((credential) => toJson(CredentialSchema, credential));
    context.print(JSON.stringify(entries, undefined, 2));
  } else {
    const rows = answer.credentials.map(({ name, orgId, principalId, roles, revokedAt, fingerprint }) => [
      name,
      orgId,
      principalId,
      roles.join(","),
      revokedAt === undefined ? "no" : "yes",
      fingerprint,
    ]);
    context.print(formatTable(["NAME", "ORG", "PRINCIPAL", "ROLES", "REVOKED", "FINGERPRINT"], rows));
  }
  return 0;
}
