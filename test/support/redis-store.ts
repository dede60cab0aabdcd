import { randomBytes } from "node:crypto";
import KeyvRedis from "@keyv/redis";
import { Keyv } from "keyv";

const REDIS_URL = process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379";

/** A part of a real Redis that nobody else uses. */
export interface RedisStore extends AsyncDisposable {
  /** It as a store. */
  readonly keyv: Keyv;
  /** What all its keys begin with; another process gets at it by this name. */
  readonly namespace: string;
  /** Drops all that is in it. */
  clear(): Promise<void>;
  /** Closes the connection. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Connects to Redis at `REDIS_URL` or on this machine.
 *
 * @param namespace - That of another process; a new one when absent.
 * @throws Error if there is no Redis.
 */
export async function openRedisStore(
  namespace: string = `latchkey-test-${randomBytes(6).toString("hex")}`,
): Promise<RedisStore> {
  const adapter = new KeyvRedis({ url: REDIS_URL, socket: { connectTimeout: 2_000, reconnectStrategy: false } });
  const keyv = new Keyv(adapter, { namespace });
  keyv.on("error", () => {});
  try {
    await adapter.getClient();
  } catch (cause) {
    throw new Error(`There is no Redis at ${new URL(REDIS_URL).host}; set REDIS_URL`, { cause });
  }
  return {
    keyv,
    namespace,
    clear: () => keyv.clear(),
    [Symbol.asyncDispose]: () => keyv.disconnect(),
  };
}
