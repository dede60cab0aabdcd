import { randomBytes, randomInt } from "node:crypto";
import { mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ConfigError } from "../../errors.js";

/** A directory that is held against every other process. */
export interface DataDirectoryLock {
  /** Gives the directory free. */
  release(): Promise<void>;
}

/** How often, and how long apart, two processes that start at the same moment get out of each other's way. */
const ATTEMPTS = 12;
const LONGEST_PAUSE_MS = 100;
/** Longest path a socket's address holds on any system we run on (104 on macOS, 108 on Linux, with the final NUL). */
const LONGEST_SOCKET_PATH = 103;

/**
 * Takes the lock of a directory, or rejects with `ConfigError` `ERR_CONFIG_INVALID` that names the process holding it.
 *
 * The lock is a listening socket in `<directory>/lock`: the kernel closes it when its process ends, however it ends, so
 * that nothing is left to expire, and neither a reused process id nor another pid namespace (containers that share the
 * directory) can be mistaken for the holder. A file lock would do, but Node offers none.
 *
 * Each process that wants the directory first puts up a socket of its own under a fresh name and then looks for others.
 * Of two that come at once, at least one sees the other, since both put up before they look; whoever sees a living
 * socket takes its own down again. So there are never two holders; two that withdrew try again after a random pause. A
 * dead socket is removed without danger: its name is never used again.
 */
export async function acquireDataDirectoryLock(directory: string): Promise<DataDirectoryLock> {
  const folder = join(directory, "lock");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  let holder = "another process";
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const claim = await putUpSocket(folder);
    try {
      const rivals = await findLiving(folder, claim.name);
      if (rivals.length === 0) {
        await writeFile(join(folder, `${claim.name}.held`), "", { mode: 0o600 });
        return { release: () => claim.takeDown() };
      }
      holder = `process ${rivals[0]?.name.split("-")[0]}`;
      await claim.takeDown();
      if (rivals.some((rival) => rival.held)) break;
    } catch (error) {
      await claim.takeDown();
      throw error;
    }
    await delay(randomInt(LONGEST_PAUSE_MS));
  }
  throw new ConfigError("ERR_CONFIG_INVALID", `the data directory ${directory} is in use by ${holder}`);
}

interface Claim {
  readonly name: string;
  takeDown(): Promise<void>;
}

/** Listens on a fresh name, which appears in the folder only once connections to it succeed. */
async function putUpSocket(folder: string): Promise<Claim> {
  const name = `${process.pid}-${randomBytes(6).toString("hex")}`;
  const server = createServer((socket) => socket.destroy());
  await using address = await socketAddress(folder, `${name}.tmp`);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path: address.path, exclusive: true }, resolve);
  });
  // Nothing is ever sent over the socket, and an accept that fails takes nothing from the lock.
  server.on("error", () => {});
  server.unref();
  await rename(join(folder, `${name}.tmp`), join(folder, `${name}.sock`));
  return {
    name,
    async takeDown() {
      await rm(join(folder, `${name}.held`), { force: true });
      await rm(join(folder, `${name}.sock`), { force: true });
      await closeServer(server);
    },
  };
}

/** Finds the sockets of other processes that run, and removes what ended ones left. */
async function findLiving(folder: string, ownName: string): Promise<{ name: string; held: boolean }[]> {
  const entries = await readdir(folder);
  const living: { name: string; held: boolean }[] = [];
  for (const entry of entries) {
    if (!entry.endsWith(".sock") || entry === `${ownName}.sock`) continue;
    const name = entry.slice(0, -".sock".length);
    if (await isListening(folder, entry)) {
      living.push({ name, held: entries.includes(`${name}.held`) });
    } else {
      await rm(join(folder, entry), { force: true });
      await rm(join(folder, `${name}.held`), { force: true });
    }
  }
  return living;
}

async function isListening(folder: string, entry: string): Promise<boolean> {
  await using address = await socketAddress(folder, entry);
  return await new Promise((resolve) => {
    const socket = connect({ path: address.path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    // In doubt the directory counts as held: a full backlog, say, is a living process.
    socket.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}

/** Names a file of the folder so that it fits into a socket's address; valid until disposed. */
async function socketAddress(folder: string, entry: string): Promise<AsyncDisposable & { readonly path: string }> {
  const path = join(folder, entry);
  if (Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) return { path, [Symbol.asyncDispose]: async () => {} };
  if (process.platform !== "linux") {
    const message = `the path of the data directory is too long for its lock: ${path} exceeds ${LONGEST_SOCKET_PATH} bytes`;
    throw new ConfigError("ERR_CONFIG_INVALID", message);
  }
  const handle = await open(folder);
  return { path: `/proc/self/fd/${handle.fd}/${entry}`, [Symbol.asyncDispose]: () => handle.close() };
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
