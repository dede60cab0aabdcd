import { ConfigError } from "../errors.js";
import { readManifest } from "./manifest.js";

/**
 * Imports a part of the service that needs packages which a user of the library does not have to install.
 *
 * Rejects with {@link ConfigError} `ERR_DEPENDENCY_MISSING`, naming the package to install, when one is not there.
 *
 * @param load - A dynamic import of the part.
 */
export async function loadPart<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const missing = missingPackage(error);
    if (missing === undefined) throw error;
    const message = `this needs the package ${missing}: npm install ${missing}${versionOf(missing)}`;
    throw new ConfigError("ERR_DEPENDENCY_MISSING", message, { cause: error });
  }
}

/** The release to ask for: the newest one may not be one that this release works with. */
function versionOf(name: string): string {
  const { peerDependencies } = readManifest();
  return Object.hasOwn(peerDependencies, name) ? `@${peerDependencies[name]}` : "";
}

function missingPackage(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "ERR_MODULE_NOT_FOUND") return undefined;
  return /^Cannot find package '([^']+)'/.exec(error.message)?.[1];
}
