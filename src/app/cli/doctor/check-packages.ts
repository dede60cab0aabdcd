import { createRequire } from "node:module";
import type { Manifest } from "../../manifest.js";
import type { Finding } from "./finding.js";

/** Tells which of the optional packages are not installed. That is no mistake: what needs one says so when it is used. */
export function checkPackages({ peerDependencies, peerDependenciesMeta }: Manifest): Finding {
  const optional = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional === true);
  const missing = optional.filter((name) => !isInstalled(name));
  if (missing.length === 0) return { state: "ok", text: "all optional packages are installed" };
  return { state: "note", text: `optional packages that are not installed: ${missing.join(", ")}` };
}

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch (error) {
    // One that can only be imported is there all the same.
    return (error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND";
  }
}
