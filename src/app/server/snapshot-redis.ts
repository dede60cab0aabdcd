import KeyvRedis, { createClient } from "@keyv/redis";
import { Keyv } from "keyv";
import type { Logger } from "pino";
import { ConfigError } from "../../errors.js";
import type { SnapshotStore } from "../../jwks/snapshot-store.js";

/** A Redis server in which key sets are kept. */
export interface SnapshotRedis extends AsyncDisposable {
  readonly store: SnapshotStore;
}

const DEFAULTS = {
  /** How long a start waits for the first attempt to connect; then it goes on without. */
  connectWaitMs: 1_000,
  /** Between two attempts to connect. */
  reconnectMs: 1_000,
} satisfies Record<string, number>;

/**
 * Connects to a Redis server, and again whenever the connection is lost. While there is none, the store fails at once.
 *
 * Rejects with {@link ConfigError} `ERR_CONFIG_INVALID` for a URL that cannot be used; the message shows nothing of it. A
 * server that cannot be reached is logged, and nothing else.
 */
export async function openSnapshotRedis(url: string, log: Logger): Promise<SnapshotRedis> {
  const client = openClient(url);
  let isReachable = true;
  const missed = (reason: string): void => {
    if (isReachable) log.warn({ reason }, "Redis cannot be reached; key sets are not kept for now");
    isReachable = false;
  };
  const waited = Promise.withResolvers<void>();
  client.on("error", (error: unknown) => {
    missed(reasonOf(error));
    waited.resolve();
  });
  client.on("ready", () => {
    if (!isReachable) log.info({}, "Redis can be reached again");
    isReachable = true;
  });
  // What keeps it from connecting was told above.
  const connecting = client.connect().catch(() => {});
  connecting.then(() => waited.resolve());
  const timer = setTimeout(waited.resolve, DEFAULTS.connectWaitMs);
  await waited.promise;
  clearTimeout(timer);
  if (!client.isReady) missed("timeout");
  // Whoever calls has to see a failure, which would otherwise look like an empty store.
  const keyv = new Keyv(new KeyvRedis(client, { throwOnErrors: true }), { useKeyPrefix: false, throwOnErrors: true });
  // The keys have a first part of their own.
  keyv.namespace = undefined;
  keyv.on("error", () => {});
  // The adapter connects a client that was closed once more.
  const requireOpen = (): Keyv => {
    if (client.isOpen) return keyv;
    throw new Error("The connection to Redis is closed");
  };
  return {
    store: {
      get: (key) => requireOpen().get(key),
      set: (key, text, ttlMs) => requireOpen().set(key, text, ttlMs),
      delete: (key) => requireOpen().delete(key),
    },
    async [Symbol.asyncDispose]() {
      // What is still under way has been given up on.
      if (client.isOpen) client.destroy();
    },
  };
}

function openClient(url: string): ReturnType<typeof createClient> {
  try {
    // A queue of commands that wait for a connection would hold key sets that are out of date by then.
    return createClient({ url, disableOfflineQueue: true, socket: { reconnectStrategy: DEFAULTS.reconnectMs } });
  } catch {
    // The error holds the URL, which may have a password.
    throw new ConfigError("ERR_CONFIG_INVALID", "the Redis URL cannot be used");
  }
}

/** The code of an error of the network or of Redis, such as `ECONNREFUSED` or `WRONGPASS`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  if ("code" in error && typeof error.code === "string") return error.code;
  return /^[A-Z]+(?= )/.exec(error.message)?.[0] ?? error.name;
}
