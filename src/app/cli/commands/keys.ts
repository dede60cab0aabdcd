import { join } from "node:path";
import type { Command } from "commander";
import type { KeyRingEntry } from "../../../keys/key-ring.js";
import { loadIssuerSettings } from "../../server/issuer-settings.js";
import { openOwnIssuer } from "../../server/own-issuer.js";
import type { CliContext } from "../cli-context.js";
import { addKeysFlags, type KeysFlags } from "../flags.js";
import { formatTable } from "../table.js";

interface ListFlags extends KeysFlags {
  readonly json?: boolean;
}

/** Adds `latchkey keys` and what it can do. */
export function addKeysCommand(program: Command, context: CliContext): void {
  const keys = program
    .command("keys")
    .description("the signing keys of a server of this machine, which may be running");
  addKeysFlags(keys.command("list").description("list the keys that are published"), context.env)
    .option("--json", "print a JSON array")
    .action((flags: ListFlags) => context.run(() => list(flags, context)));
  addKeysFlags(
    keys.command("rotate").description("publish a new key, which signs after the grace period"),
    context.env,
  ).action((flags: KeysFlags) => context.run(() => rotate(flags, context)));
}

async function list(flags: ListFlags, context: CliContext): Promise<number> {
  const keysDir = flags.keysDir ?? join(flags.dataDir, "keys");
  using issuer = openOwnIssuer(keysDir, await loadIssuerSettings(keysDir));
  const entries = await issuer.keyRing.keys();
  if (flags.json === true) context.print(JSON.stringify(entries, undefined, 2));
  else
    context.print(formatTable(["KID", "ALGORITHM", "STATE", "PUBLISHED", "SIGNS FROM", "RETIRES"], entries.map(toRow)));
  return 0;
}

async function rotate(flags: KeysFlags, context: CliContext): Promise<number> {
  const keysDir = flags.keysDir ?? join(flags.dataDir, "keys");
  using issuer = openOwnIssuer(keysDir, await loadIssuerSettings(keysDir));
  const next = await issuer.keyRing.rotate();
  context.print(`${next.kid} signs from ${formatInstant(next.signsFromMs)}`);
  return 0;
}

function toRow({ kid, algorithm, state, publishedAtMs, signsFromMs, retiresAtMs }: KeyRingEntry): readonly string[] {
  const retires = retiresAtMs === undefined ? "" : formatInstant(retiresAtMs);
  return [kid, algorithm, state, formatInstant(publishedAtMs), formatInstant(signsFromMs), retires];
}

function formatInstant(instantMs: number): string {
  return new Date(instantMs).toISOString();
}
