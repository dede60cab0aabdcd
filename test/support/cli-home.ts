import { type CliResult, cli } from "./cli.js";
import { temporaryDirectory } from "./temporary-directory.js";

/** A home of the command line for one test, with what runs in it. */
export interface CliHome {
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  run(...args: readonly string[]): Promise<CliResult>;
}

/** Creates a home whose default credential, `alice` of `acme`, counts as imported by the server at `url`. */
export async function createCliHome(url: string): Promise<CliHome> {
  const directory = await temporaryDirectory();
  const env = { LATCHKEY_HOME: directory, LATCHKEY_SERVER: url };
  await cli(["init", "--name", "alice", "--org", "acme", "--roles", "submitter"], env);
  await cli(["credentials", "update", "alice", "--imported"], env);
  return { directory, env, run: (...args) => cli(args, env) };
}
