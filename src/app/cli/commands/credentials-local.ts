import { type Command, Option } from "commander";
import type { CredentialPatch } from "../../../keys/credential-store.js";
import type { CliContext } from "../cli-context.js";
import { usageError } from "../describe-error.js";
import { openCredentials } from "../home.js";
import { importCommand } from "../import-command.js";
import { parseName, parsePrincipal, parseRoles } from "../option-values.js";

interface ShowFlags {
  readonly publicKey?: boolean;
  readonly json?: boolean;
}

interface UpdateFlags {
  readonly org?: string;
  readonly principal?: string;
  readonly roles?: readonly string[];
  readonly imported?: boolean;
}

/** Adds the commands that work on the credentials of this user without a server. */
export function addCredentialsLocalCommands(credentials: Command, context: CliContext): void {
  credentials
    .command("show")
    .description("show a credential; never its private key")
    .argument("[name]", "its name (default: the default credential)")
    .option("--public-key", "print the public key alone, PEM: what an admin imports on another machine")
    .option("--json", "print JSON")
    .action((name: string | undefined, flags: ShowFlags) => context.run(() => show(name, flags, context)));
  credentials
    .command("update")
    .description("change what is noted here about a credential; it has to be imported again afterwards")
    .argument("<name>", "its name")
    .addOption(new Option("--org <name>", "organisation it is meant for").argParser(parseName))
    .addOption(new Option("--principal <id>", "whom it stands for").argParser(parsePrincipal))
    .addOption(new Option("--roles <list>", "roles it is meant to have, separated by commas").argParser(parseRoles))
    .option("--imported", "note that an admin has imported it from another machine")
    .action((name: string, flags: UpdateFlags) => context.run(() => update(name, flags, context)));
  credentials
    .command("set-default")
    .description("choose the credential that is used when none is named")
    .argument("<name>", "its name")
    .action((name: string) =>
      context.run(async () => {
        await openCredentials(context.env).setDefault(name);
        context.print(`default credential: ${name}`);
        return 0;
      }),
    );
  credentials
    .command("delete")
    .description("delete a credential and its private key from this machine; revoke it on the server first")
    .argument("<name>", "its name")
    .action((name: string) =>
      context.run(async () => {
        await openCredentials(context.env).delete(name);
        context.print(`deleted credential ${name}`);
        return 0;
      }),
    );
}

async function show(name: string | undefined, flags: ShowFlags, context: CliContext): Promise<number> {
  const store = openCredentials(context.env);
  const credential = await store.get(name);
  const publicKey = await store.publicKeyPem(credential.name);
  if (flags.publicKey === true) {
    context.print(publicKey.trimEnd());
  } else if (flags.json === true) {
    context.print(JSON.stringify({ ...credential, publicKey }, undefined, 2));
  } else {
    context.print(`name         ${credential.name}`);
    context.print(`fingerprint  ${credential.fingerprint}`);
    context.print(`org          ${credential.orgId ?? "not known here"}`);
    context.print(`principal    ${credential.principalId ?? "its fingerprint"}`);
    context.print(`roles        ${credential.roles.join(", ")}`);
    context.print(`imported     ${credential.imported ? "yes" : `no: ${await importCommand(credential, store)}`}`);
    context.print(`created      ${new Date(credential.createdAtMs).toISOString()}`);
    context.print(`updated      ${new Date(credential.updatedAtMs).toISOString()}`);
  }
  return 0;
}

async function update(name: string, flags: UpdateFlags, context: CliContext): Promise<number> {
  const { org, principal, roles, imported } = flags;
  const described: CredentialPatch = {
    ...(org !== undefined && { orgId: org }),
    ...(principal !== undefined && { principalId: principal }),
    ...(roles !== undefined && { roles }),
  };
  const changed = Object.keys(described).length > 0;
  if (!changed && imported !== true)
    throw usageError("nothing to change: name --org, --principal, --roles or --imported");
  const store = openCredentials(context.env);
  // The server decides by its own record: what is noted here is a wish until it is imported.
  const credential = await store.update(name, { ...described, imported: imported === true });
  context.print(`updated credential ${name}`);
  if (!credential.imported) context.note(`import it for the server to know: ${await importCommand(credential, store)}`);
  return 0;
}
