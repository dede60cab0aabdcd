import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { CredentialError } from "../errors.js";

/** Files that only their owner may read, on systems that know such permissions. */

const FILE_MODE = 0o600;
const OTHERS = 0o077;

// A key file has a few kilobytes; a device or a log named by mistake is not read to its end.
const MAX_BYTES = 1024 * 1024;

/**
 * Reads a text file that nobody but its owner can read.
 *
 * The file is opened once, and owner and permissions are those of what was opened: another file put in its place
 * meanwhile is not read. Links are followed, and it is what they lead to that is judged.
 *
 * Rejects with {@link CredentialError} `ERR_KEY_MISSING` (no such file), `ERR_KEY_PERMISSIONS` (not readable at all,
 * readable by others, or of another user than this one and root; the message has the command that helps),
 * `ERR_KEY_INVALID` (no regular file, or more than 1 MiB) or `ERR_CREDENTIAL_STORE` (the system fails to read it).
 */
export async function readPrivateFile(path: string): Promise<string> {
  // Non-blocking, or else opening a named pipe would wait for its writer.
  const file = await openFile(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const info = await file.stat();
    if (!info.isFile()) {
      throw new CredentialError("ERR_KEY_INVALID", `${path} is not a regular file: name the file itself`);
    }
    assertOwnerOnly(path, info.mode, "600");
    return await readText(file, path);
  } catch (error) {
    throw error instanceof CredentialError ? error : storeError(`Cannot read ${path}`, error);
  } finally {
    await file.close();
  }
}

/** Replaces a file at once: a reader sees the old text or the new one, and after a crash one of the two is there. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await withTemporaryFile(path, text, (temporary) => rename(temporary, path));
}

/** Creates a file at once, whole or not at all. Gives false when there is one of that name; it is not touched. */
export async function createPrivateFile(path: string, text: string): Promise<boolean> {
  return withTemporaryFile(path, text, async (temporary) => {
    try {
      // Unlike a rename, a link never replaces what is there.
      await link(temporary, path);
      return true;
    } catch (error) {
      if (hasCode(error, "EEXIST")) return false;
      throw error;
    }
  });
}

/** Tells whether an error of the file system has one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && "code" in error && codes.includes(String(error.code));
}

async function openFile(path: string, flags: number): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (cause) {
    if (hasCode(cause, "ENOENT", "ENOTDIR")) {
      throw new CredentialError("ERR_KEY_MISSING", `There is no file ${path}`, { cause });
    }
    if (!hasCode(cause, "EACCES", "EPERM")) throw storeError(`Cannot open ${path}`, cause);
    const message = `${path} cannot be opened by this user: run as its owner, or give it to this user`;
    throw new CredentialError("ERR_KEY_PERMISSIONS", message, { cause });
  }
}

async function readText(file: FileHandle, path: string): Promise<string> {
  // Read until its end or one byte too many: the size that the system states may be outdated, or 0 for special files.
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  let length = 0;
  try {
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = (await file.read(buffer, length, buffer.length - length)).bytesRead;
    }
    if (length > MAX_BYTES) {
      throw new CredentialError(
        "ERR_KEY_INVALID",
        `${path} is too large: it has more than 1 MiB, so it is another file`,
      );
    }
    return buffer.toString("utf8", 0, length);
  } finally {
    buffer.fill(0);
  }
}

async function withTemporaryFile<T>(path: string, text: string, put: (temporary: string) => Promise<T>): Promise<T> {
  // In the same directory, or else putting it in place would be a copy.
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeNew(temporary, text);
    const result = await put(temporary);
    await syncDirectory(dirname(path));
    return result;
  } catch (cause) {
    throw storeError(`Cannot write ${path}`, cause);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", FILE_MODE);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the names in a directory survive a power cut, where the system can. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows opens no directories, and has nothing to flush for them.
  if (process.platform === "win32") return;
  const directory = await open(path, constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/**
 * Throws {@link CredentialError} `ERR_KEY_PERMISSIONS`, with the command that helps, unless only the owner may use a
 * file or directory.
 *
 * @param path - Its name.
 * @param mode - Its permissions.
 * @param wanted - What they should be.
 */
export function assertOwnerOnly(path: string, mode: number, wanted: "600" | "700"): void {
  // Windows makes up the mode; there the profile directory protects its files.
  if (process.platform === "win32" || (mode & OTHERS) === 0) return;
  const message = `${path} is open to other users. Run: chmod ${wanted} ${quoteForShell(path)}`;
  throw new CredentialError("ERR_KEY_PERMISSIONS", message);
}

/** The error for what the file system refuses. */
export function storeError(what: string, cause?: unknown): CredentialError {
  const code = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
  return new CredentialError("ERR_CREDENTIAL_STORE", `${what}${code}`, { cause });
}

function quoteForShell(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
