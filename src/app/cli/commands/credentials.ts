import type { Command } from "commander";
import type { CliContext } from "../cli-context.js";
import { addCredentialsImportCommand } from "./credentials-import.js";
import { addCredentialsListCommand } from "./credentials-list.js";
import { addCredentialsLocalCommands } from "./credentials-local.js";
import { addCredentialsRevokeCommand } from "./credentials-revoke.js";

/** Adds `latchkey credentials` and what it can do. */
export function addCredentialsCommand(program: Command, context: CliContext): void {
  const credentials = program.command("credentials").description("the credentials of this user, and those of a server");
  addCredentialsListCommand(credentials, context);
  addCredentialsLocalCommands(credentials, context);
  addCredentialsImportCommand(credentials, context);
  addCredentialsRevokeCommand(credentials, context);
}
