import { join } from "node:path";
import { type Command, Option } from "commander";
import { loadIssuerSettings } from "../../server/issuer-settings.js";
import { openOwnIssuer } from "../../server/own-issuer.js";
import type { CliContext } from "../cli-context.js";
import { usageError } from "../describe-error.js";
import { addKeysFlags, type KeysFlags } from "../flags.js";
import { parseLifetime, parseName, parsePrincipal, parseTokenRoles } from "../option-values.js";

interface TokenFlags extends KeysFlags {
  readonly org: string;
  readonly roles: readonly string[];
  readonly subject: string;
  readonly lifetimeSeconds?: number;
}

/** Adds `latchkey token`. */
export function addTokenCommand(program: Command, context: CliContext): void {
  const command = program
    .command("token")
    .description("print a token of the server's own issuer, for operators: whoever holds it is what it says");
  addKeysFlags(command, context.env)
    .addOption(new Option("--org <name>", "organisation").argParser(parseName).makeOptionMandatory())
    .addOption(
      new Option("--roles <list>", "roles, separated by commas").argParser(parseTokenRoles).makeOptionMandatory(),
    )
    .addOption(new Option("--subject <id>", "whom it stands for").argParser(parsePrincipal).default("operator"))
    .addOption(
      new Option("--lifetime-seconds <n>", "its lifetime (default: the longest the server permits)").argParser(
        parseLifetime,
      ),
    )
    .action((flags: TokenFlags) => context.run(() => issue(flags, context)));
}

async function issue(flags: TokenFlags, context: CliContext): Promise<number> {
  const { org, roles, subject, lifetimeSeconds } = flags;
  const keysDir = flags.keysDir ?? join(flags.dataDir, "keys");
  const settings = await loadIssuerSettings(keysDir);
  if (lifetimeSeconds !== undefined && lifetimeSeconds > settings.tokenLifetimeSeconds) {
    throw usageError(`--lifetime-seconds must be at most ${settings.tokenLifetimeSeconds}, as the server was told`);
  }
  using issuer = openOwnIssuer(keysDir, settings);
  const token = await issuer.tokens.issue({
    subject,
    org,
    roles,
    ...(lifetimeSeconds !== undefined && { lifetimeSeconds }),
  });
  context.print(token.value);
  return 0;
}
