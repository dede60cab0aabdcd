import type { Command } from "commander";
import { formatAccess } from "../../../policy/format-access.js";
import { createMethodRules } from "../../../policy/method-rules.js";
import { readManifest } from "../../manifest.js";
import { SERVED_METHODS } from "../../server/served-methods.js";
import type { CliContext } from "../cli-context.js";
import { checkCredential } from "../doctor/check-credential.js";
import { checkHome } from "../doctor/check-home.js";
import { checkNodeVersion } from "../doctor/check-node-version.js";
import { checkPackages } from "../doctor/check-packages.js";
import { homeDirectory, openCredentials } from "../home.js";
import { toTerminalText } from "../terminal-text.js";

interface DoctorFlags {
  readonly policy?: boolean;
}

/** Adds `latchkey doctor`. */
export function addDoctorCommand(program: Command, context: CliContext): void {
  program
    .command("doctor")
    .description(
      "check whether this machine is set up, or with --policy show who may call the job service; calls nobody",
    )
    .option("--policy", "show who may call each method")
    .action((flags: DoctorFlags) =>
      context.run(async () => (flags.policy === true ? showPolicy(context) : checkMachine(context))),
    );
}

function showPolicy(context: CliContext): number {
  const rules = createMethodRules();
  rules.add(SERVED_METHODS);
  context.print(formatAccess(rules.list()));
  return 0;
}

async function checkMachine(context: CliContext): Promise<number> {
  const manifest = readManifest();
  const findings = [
    checkNodeVersion(process.versions.node, manifest.engines.node),
    await checkHome(homeDirectory(context.env)),
    await checkCredential(openCredentials(context.env)),
    checkPackages(manifest),
  ];
  for (const { state, text } of findings) context.print(`${state.padEnd("wrong".length)}  ${toTerminalText(text)}`);
  return findings.some(({ state }) => state === "wrong") ? 1 : 0;
}
