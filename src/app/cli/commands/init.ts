import { type Command, Option } from "commander";
import type { JwsAlgorithm } from "../../../token/algorithms.js";
import type { CliContext } from "../cli-context.js";
import { openCredentials } from "../home.js";
import { importCommand } from "../import-command.js";
import { parseAlgorithm, parseName, parsePrincipal, parseRoles } from "../option-values.js";

interface InitFlags {
  readonly name: string;
  readonly org?: string;
  readonly principal?: string;
  readonly roles: readonly string[];
  readonly algorithm: JwsAlgorithm;
}

/** Adds `latchkey init`. */
export function addInitCommand(program: Command, context: CliContext): void {
  program
    .command("init")
    .description("make a credential: a key pair that signs the tokens of this user or machine")
    .addOption(new Option("--name <name>", "name of the credential").argParser(parseName).default("default"))
    .addOption(new Option("--org <name>", "organisation it is meant for").argParser(parseName))
    .addOption(
      new Option("--principal <id>", "whom it stands for (default: its fingerprint)").argParser(parsePrincipal),
    )
    .addOption(
      new Option("--roles <list>", "roles it is meant to have, separated by commas")
        .argParser(parseRoles)
        .default(["submitter"]),
    )
    .addOption(new Option("--algorithm <name>", "what it signs with").argParser(parseAlgorithm).default("ES256"))
    .action((flags: InitFlags) => context.run(() => init(flags, context)));
}

async function init(flags: InitFlags, context: CliContext): Promise<number> {
  const { name, org, principal, roles, algorithm } = flags;
  const store = openCredentials(context.env);
  const credential = await store.create({
    name,
    roles,
    algorithm,
    ...(org !== undefined && { orgId: org }),
    ...(principal !== undefined && { principalId: principal }),
  });
  context.print(`credential ${name}: ${credential.fingerprint}`);
  if ((await store.defaultName()) === undefined) {
    await store.setDefault(name);
    context.note(`it is the default credential`);
  }
  context.note(`a server has to know it: ${await importCommand(credential, store)}`);
  return 0;
}
