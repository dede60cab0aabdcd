// Linters of the package do not run it: packs it, installs the tarball into an empty project as a user would, and
// imports every subpath, with the required peers alone. Then the command itself must answer.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

// What the installed code may need: the required peers, and what a subpath is an adapter for.
const REQUIRED_PEERS = ["@bufbuild/protobuf", "@connectrpc/connect"];
const ADAPTED_PEERS: Readonly<Record<string, string>> = {
  "./otel": "@opentelemetry/api",
  "./cel": "@bufbuild/cel",
};

const manifest = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;
const folder = mkdtempSync(join(tmpdir(), "latchkey-smoke-"));
try {
  const packed = JSON.parse(
    execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], { encoding: "utf8" }),
  ) as { readonly filename: string }[] | Record<string, { readonly filename: string }>;
  const tarball = Object.values(packed)[0]?.filename;
  if (tarball === undefined) throw new Error("npm pack named no tarball");
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "smoke", private: true, type: "module" }));
  const install = (...packages: readonly string[]): void => {
    execFileSync("npm", ["install", "--silent", "--no-audit", "--no-fund", ...packages], {
      cwd: folder,
      stdio: "inherit",
    });
  };
  const pin = (name: string): string => `${name}@${manifest.devDependencies[name]}`;
  install(resolve(folder, tarball), ...REQUIRED_PEERS.map(pin));
  const isAdapter = (subpath: string): boolean => ADAPTED_PEERS[subpath] !== undefined;
  // Adapters last: what is installed for one must not hide that another subpath needs it.
  const subpaths = Object.keys(manifest.exports)
    .filter((path) => path !== "./package.json")
    .sort((one, other) => Number(isAdapter(one)) - Number(isAdapter(other)));
  for (const subpath of subpaths) {
    const peer = ADAPTED_PEERS[subpath];
    if (peer !== undefined) install(pin(peer));
    const name = join(manifest.name, subpath);
    const program = `const names = Object.keys(await import(${JSON.stringify(name)})); if (names.length === 0) throw new Error("exports nothing");`;
    execFileSync("node", ["--input-type=module", "-e", program], { cwd: folder, stdio: "inherit" });
  }
  const missing = runFailing("node", [join("node_modules", manifest.name, "dist/bin/latchkey.js"), "--version"]);
  if (!/npm install .*commander/.test(missing))
    throw new Error(`the command does not name its missing peer: ${missing}`);
  console.log(`${subpaths.length} subpaths import from the packed package`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Runs a command that must fail, and gives what it says. */
function runFailing(command: string, args: readonly string[]): string {
  try {
    execFileSync(command, args, { cwd: folder, encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    return String((error as { readonly stderr?: unknown }).stderr);
  }
  throw new Error(`${command} ${args.join(" ")} did not fail`);
}
