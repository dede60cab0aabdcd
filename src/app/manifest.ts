import { createRequire } from "node:module";

/** What the package says of itself, as far as it is asked. */
export interface Manifest {
  readonly version: string;
  readonly engines: { readonly node: string };
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** Reads the package's own `package.json`. */
export function readManifest(): Manifest {
  return createRequire(import.meta.url)("latchkey/package.json") as Manifest;
}
