import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { ConfigError } from "../../../errors.js";
import type { CredentialStore } from "../../../keys/credential-store.js";
import type { CliContext } from "../cli-context.js";
import { type Connection, type ConnectionFlags, openConnection } from "../connection.js";
import { explainingFailures, usageError } from "../describe-error.js";
import { addConnectionFlags } from "../flags.js";
import { openCredentials } from "../home.js";
import { parseName, parsePrincipal, parseRoles } from "../option-values.js";

interface ImportFlags extends ConnectionFlags {
  readonly as?: string;
  readonly publicKey?: string;
  readonly principal?: string;
  readonly roles?: readonly string[];
}

/** What is sent. */
interface Import {
  readonly publicKeyPem: string;
  readonly principalId: string;
  readonly roles: readonly string[];
}

/** Adds `latchkey credentials import`. */
export function addCredentialsImportCommand(credentials: Command, context: CliContext): void {
  const command = credentials
    .command("import")
    .description("make the server know a credential: its public key, whom it stands for, and its roles")
    .argument("<name>", "name of a credential of this user, or, with --public-key, its name on the server", parseName);
  addConnectionFlags(command)
    .addOption(
      new Option("--as <name>", "credential of an admin to call with; the same as --credential").argParser(parseName),
    )
    .option(
      "--public-key <path>",
      "a public key from another machine, PEM, as `latchkey credentials show --public-key` prints it",
    )
    .addOption(new Option("--principal <id>", "whom it stands for (default: as noted here)").argParser(parsePrincipal))
    .addOption(
      new Option("--roles <list>", "its roles, separated by commas (default: as noted here)").argParser(parseRoles),
    )
    .action((name: string, flags: ImportFlags) => context.run(() => importCredential(name, flags, context)));
}

async function importCredential(name: string, flags: ImportFlags, context: CliContext): Promise<number> {
  const admin = flags.as ?? flags.credential;
  using connection = await openConnection({ ...flags, ...(admin !== undefined && { credential: admin }) }, context);
  const store = openCredentials(context.env);
  const remote = flags.publicKey !== undefined;
  const wanted = remote ? await fromFile(flags.publicKey, flags) : await fromStore(name, flags, connection, store);
  const { orgId } = connection;
  const { credential } = await explainingFailures(connection, () =>
    connection.credentials.importCredential({ orgId, name, ...wanted, roles: [...wanted.roles] }),
  );
  if (credential === undefined) throw new Error("the server answered without a credential");
  const { fingerprint, roles, principalId } = credential;
  if (!remote) await store.update(name, { orgId, principalId, roles, imported: true });
  context.print(`imported ${name} into ${orgId} as ${roles.join(", ")}: ${fingerprint}`);
  if (remote) {
    const command = `latchkey credentials update NAME --imported --org ${orgId} --roles ${roles.join(",")}`;
    context.note(`on the machine that has the private key: ${command}`);
  }
  return 0;
}

async function fromStore(
  name: string,
  flags: ImportFlags,
  { orgId }: Connection,
  store: CredentialStore,
): Promise<Import> {
  const credential = await store.get(name);
  if (credential.orgId !== undefined && credential.orgId !== orgId) {
    throw usageError(
      `credential ${name} is meant for organisation ${credential.orgId}, the admin is of ${orgId}: ` +
        `use an admin of that organisation, or latchkey credentials update ${name} --org ${orgId}`,
    );
  }
  const roles = flags.roles ?? credential.roles;
  if (roles.length === 0) throw usageError(`credential ${name} has no roles: name some with --roles`);
  const principalId = flags.principal ?? credential.principalId ?? "";
  return { publicKeyPem: await store.publicKeyPem(name), principalId, roles };
}

async function fromFile(path: string | undefined, flags: ImportFlags): Promise<Import> {
  const { roles, principal: principalId = "" } = flags;
  if (roles === undefined) throw usageError("--public-key needs --roles");
  try {
    return { publicKeyPem: await readFile(path ?? "", "utf8"), principalId, roles };
  } catch (cause) {
    throw new ConfigError("ERR_CONFIG_UNREADABLE", `cannot read ${path}`, { cause });
  }
}
