import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ConfigError } from "../../errors.js";
import { acquireDataDirectoryLock } from "./data-directory-lock.js";

/** A data directory that this process holds until it is released. */
export interface DataDirectory {
  /** Where the embedded database's files are. */
  readonly databasePath: string;
  /** Records that the database has been made; before that, files in it are the rest of an interrupted start. */
  markReady(): Promise<void>;
  /** Gives the directory free for another process. */
  release(): Promise<void>;
}

/** Version of the layout of the directory, in the file that marks it as ours. */
const FORMAT = 1;
const MARKER = "latchkey.json";
const NEXT_MARKER = `${MARKER}.new`;
/**
 * What may be there before the first start: our lock, signing keys, what file systems put at their root, and the marker
 * of a start that was interrupted before it was in place.
 */
const EXPECTED_BEFORE_FIRST_START: ReadonlySet<string> = new Set(["lock", "keys", "lost+found", NEXT_MARKER]);

/**
 * Takes hold of a data directory, made when it does not exist.
 *
 * Rejects with `ConfigError`: `ERR_CONFIG_INVALID` when another process uses it, when it holds something else or was
 * written by a newer release (nothing is changed on disk then), `ERR_CONFIG_UNREADABLE` when it cannot be read or made.
 */
export async function openDataDirectory(path: string): Promise<DataDirectory> {
  const directory = resolve(path);
  try {
    await assertOurs(directory);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const lock = await acquireDataDirectoryLock(directory);
    try {
      // Looked at again: another process may have held the lock, and done much, until a moment ago.
      const state = await assertOurs(directory);
      const databasePath = join(directory, "database");
      if (state !== "ready") {
        await rm(databasePath, { recursive: true, force: true });
        await writeMarker(directory, "new");
        await mkdir(databasePath, { mode: 0o700 });
      }
      await chmod(databasePath, 0o700);
      return { databasePath, markReady: () => writeMarker(directory, "ready"), release: () => lock.release() };
    } catch (error) {
      await lock.release();
      throw error;
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const reason = error instanceof Error && "code" in error ? String(error.code) : "unexpected error";
    const message = `the data directory ${directory} cannot be used: ${reason}`;
    throw new ConfigError("ERR_CONFIG_UNREADABLE", message, { cause: error });
  }
}

/** Reads what state the directory is in; absent when there is none of ours yet. Changes nothing. */
async function assertOurs(directory: string): Promise<"absent" | "new" | "ready"> {
  let entries: string[];
  try {
    entries = await readdir(directory);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "absent";
    throw error;
  }
  if (!entries.includes(MARKER)) {
    if (entries.every((entry) => EXPECTED_BEFORE_FIRST_START.has(entry))) return "absent";
    const message = `the directory ${directory} holds something else than latchkey's data: name an empty one`;
    throw new ConfigError("ERR_CONFIG_INVALID", message);
  }
  const marker = parseMarker(await readFile(join(directory, MARKER), "utf8"));
  if (marker === undefined) {
    throw new ConfigError(
      "ERR_CONFIG_UNREADABLE",
      `the data directory ${directory} is damaged: ${MARKER} is unreadable`,
    );
  }
  if (marker.format > FORMAT) {
    const message = `the data directory ${directory} was written by a newer release (format ${marker.format})`;
    throw new ConfigError("ERR_CONFIG_INVALID", message);
  }
  return marker.state;
}

function parseMarker(text: string): { readonly format: number; readonly state: "new" | "ready" } | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof json !== "object" || json === null || !("format" in json) || !("state" in json)) return undefined;
  const { format, state } = json;
  if (typeof format !== "number" || (state !== "new" && state !== "ready")) return undefined;
  return { format, state };
}

/** Replaces the marker as a whole: a crash leaves the old one or the new one. */
async function writeMarker(directory: string, state: "new" | "ready"): Promise<void> {
  const next = join(directory, NEXT_MARKER);
  await writeFile(next, `${JSON.stringify({ format: FORMAT, state })}\n`, { mode: 0o600, flush: true });
  await rename(next, join(directory, MARKER));
}
