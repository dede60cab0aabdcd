import { randomUUID } from "node:crypto";
import type { Dirent } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CredentialError } from "../errors.js";
import { assertOwnerOnly, createPrivateFile, hasCode, storeError, syncDirectory } from "./node-private-file.js";

/** Directories that only their owner may use, on systems that know such permissions. */

const DIRECTORY_MODE = 0o700;

/**
 * Creates a directory for its owner alone, with those above it, or checks that it is one.
 *
 * Rejects with {@link CredentialError} `ERR_KEY_PERMISSIONS` (open to others; the message has the command that helps)
 * or `ERR_CREDENTIAL_STORE` (cannot be created, or is no directory).
 */
export async function ensurePrivateDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
  } catch (cause) {
    throw storeError(`Cannot create the directory ${path}`, cause);
  }
  await assertPrivateDirectory(path);
}

/** Lists a directory; empty when there is none. Rejects as {@link ensurePrivateDirectory} when others can use it. */
export async function listPrivateDirectory(path: string): Promise<readonly Dirent[]> {
  try {
    await assertPrivateDirectory(path);
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (hasCode(error, "ENOENT")) return [];
    throw error instanceof CredentialError ? error : storeError(`Cannot read the directory ${path}`, error);
  }
}

/**
 * Creates a directory with files in it at once: nobody ever sees half of it.
 *
 * @param path - Its name; the directory it shall be in exists.
 * @param files - Names and texts of the files.
 * @returns False when there is something of that name with anything in it; that is not touched.
 */
export async function createPrivateDirectory(path: string, files: ReadonlyMap<string, string>): Promise<boolean> {
  const staging = besides(path);
  try {
    await mkdir(staging, { mode: DIRECTORY_MODE });
    for (const [name, text] of files) await createPrivateFile(join(staging, name), text);
    await rename(staging, path);
    await syncDirectory(dirname(path));
    return true;
  } catch (cause) {
    if (cause instanceof CredentialError) throw cause;
    // Systems differ in how they refuse to rename onto what is there.
    if (await exists(path)) return false;
    throw storeError(`Cannot create the directory ${path}`, cause);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** Deletes a directory with all that is in it; it disappears at once. Gives false when there is none. */
export async function deletePrivateDirectory(path: string): Promise<boolean> {
  const doomed = besides(path);
  try {
    await rename(path, doomed);
    await rm(doomed, { recursive: true, force: true });
    return true;
  } catch (cause) {
    if (hasCode(cause, "ENOENT")) return false;
    throw storeError(`Cannot delete the directory ${path}`, cause);
  }
}

/** A name beside another one that nobody else uses: not even who uses all of letters, digits, "_", "." and "-". */
function besides(path: string): string {
  return join(dirname(path), `+${randomUUID()}`);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function assertPrivateDirectory(path: string): Promise<void> {
  const info = await stat(path);
  if (!info.isDirectory()) throw storeError(`${path} is not a directory`);
  assertOwnerOnly(path, info.mode, "700");
}
