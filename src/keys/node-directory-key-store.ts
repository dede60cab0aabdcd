import { watch } from "node:fs";
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { CredentialError } from "../errors.js";
import { assertNonEmptyString } from "../lib/options.js";
import { type KeyStore, type StoredKey, sameKeys } from "./key-store.js";
import { ensurePrivateDirectory, listPrivateDirectory } from "./node-private-directory.js";
import { createPrivateFile, hasCode, readPrivateFile } from "./node-private-file.js";
import { formatStoredKeys, parseStoredKeys } from "./stored-keys.js";

const FILE_NAME = /^keys\.([1-9]\d{0,14})\.json$/;

// A file can vanish between listing and reading when another process has just replaced it.
const MAX_READ_ATTEMPTS = 10;

interface Generation {
  readonly number: number;
  readonly keys: readonly StoredKey[];
}

/**
 * Creates a key store in a directory that several processes of one machine may share.
 *
 * The directory (mode 0700, created when missing) holds one file `keys.<number>.json` (mode 0600). Each change writes
 * the file with the next number, whole or not at all, and removes the one before; of two processes that write the same
 * number, exactly one succeeds. No lock is held, so none can be left behind.
 *
 * Its methods reject with {@link CredentialError} `ERR_KEY_PERMISSIONS` when the directory or file is open to other
 * users (the message has the command that helps) and `ERR_CREDENTIAL_STORE` when the file is damaged (the message names
 * it). The file system has to support hard links.
 *
 * @example
 * ```ts
 * import { directoryKeyStore } from "latchkey/node";
 *
 * const store = directoryKeyStore("/var/lib/issuer/keys");
 * ```
 *
 * @param path - The directory.
 * @throws TypeError if `path` is not a string or empty.
 */
export function directoryKeyStore(path: string): KeyStore {
  assertNonEmptyString("path", path);

  // Made absolute, or else a change of the working directory would move the store.
  const root = resolve(path);
  const fileOf = (number: number): string => join(root, `keys.${number}.json`);

  async function numbers(): Promise<readonly number[]> {
    const matches = (await listPrivateDirectory(root)).map(({ name }) => FILE_NAME.exec(name)?.[1]);
    return matches.filter((digits) => digits !== undefined).map(Number);
  }

  async function read(): Promise<Generation> {
    for (let attempt = 1; ; attempt++) {
      const number = Math.max(0, ...(await numbers()));
      if (number === 0) return { number, keys: [] };
      try {
        return { number, keys: parseStoredKeys(await readPrivateFile(fileOf(number)), fileOf(number)) };
      } catch (error) {
        const vanished = error instanceof CredentialError && error.code === "ERR_KEY_MISSING";
        if (!vanished || attempt === MAX_READ_ATTEMPTS) throw error;
      }
    }
  }

  return {
    load: async () => (await read()).keys,
    async save(keys, replacing) {
      await ensurePrivateDirectory(root);
      const current = await read();
      if (!sameKeys(current.keys, replacing)) return false;
      const number = current.number + 1;
      if (!(await createPrivateFile(fileOf(number), formatStoredKeys(keys)))) return false;
      const existing = await numbers();
      if (existing.some((other) => other > number)) {
        // Others were here. Most likely this number had been used and removed before our file took it, and counts for
        // nothing; should they have built on our file just now, then it is theirs that counts as well.
        await rm(fileOf(number), { force: true });
        return false;
      }
      await Promise.all(existing.filter((other) => other < number).map((other) => rm(fileOf(other), { force: true })));
      return true;
    },
    watch(onChange) {
      try {
        // A file is put in place whole, so every event may be acted upon.
        const watcher = watch(root, { persistent: false }, onChange);
        watcher.on("error", () => watcher.close());
        return { [Symbol.dispose]: () => watcher.close() };
      } catch (error) {
        // Watches are a limited resource of the system; the ring looks again from time to time in any case.
        if (hasCode(error, "ENOENT", "ENOSPC", "EMFILE", "ENFILE")) return { [Symbol.dispose]() {} };
        throw error;
      }
    },
  };
}
