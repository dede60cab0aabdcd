import type pg from "pg";
import { systemClock } from "../../lib/clock.js";
import { toDatabaseError } from "./database-error.js";

/** Receives notifications on one connection of its own, for any number of channels. */
export interface PgListener {
  /** As `Database.listen`; rejects when the first connection cannot be made. */
  listen(channel: string, onNotification: (payload: string | undefined) => void): Promise<AsyncDisposable>;
  /** Ends the connection. */
  close(): Promise<void>;
}

const DEFAULTS = {
  firstReconnectMs: 250,
  longestReconnectMs: 30 * 1000,
  /** How often the connection is tried: one that broke silently would keep every waiting stream asleep. */
  heartbeatMs: 15 * 1000,
} as const;

type Callback = (payload: string | undefined) => void;

/**
 * Creates a {@link PgListener}. It connects with the first channel and, once connected, reconnects for ever; after each
 * reconnection every callback is told that it may have missed something.
 *
 * @param createClient - Makes a fresh, unconnected client.
 */
export function createPgListener(createClient: () => pg.Client): PgListener {
  const channels = new Map<string, Set<Callback>>();
  let client: Promise<pg.Client> | undefined;
  let timer: Disposable | undefined;
  let closed = false;
  let failures = 0;

  const connect = async (): Promise<pg.Client> => {
    const next = createClient();
    let lost = false;
    const onLost = (): void => {
      if (lost) return;
      lost = true;
      next.end().catch(() => {});
      if (!closed && client !== undefined) reconnectLater();
    };
    next.on("error", onLost);
    next.on("end", onLost);
    next.on("notification", ({ channel, payload }) => {
      for (const callback of channels.get(channel) ?? []) callback(payload ?? "");
    });
    try {
      await next.connect();
      for (const channel of channels.keys()) await next.query(`LISTEN "${channel}"`);
    } catch (error) {
      lost = true;
      next.end().catch(() => {});
      throw error;
    }
    failures = 0;
    scheduleHeartbeat(next, onLost);
    return next;
  };
  const scheduleHeartbeat = (connected: pg.Client, onLost: () => void): void => {
    timer?.[Symbol.dispose]();
    timer = systemClock.setTimer(() => {
      // The client's own limit, `query_timeout`, ends the wait on a connection that is dead without a word.
      connected.query("SELECT 1").then(() => {
        if (!closed) scheduleHeartbeat(connected, onLost);
      }, onLost);
    }, DEFAULTS.heartbeatMs);
  };
  const reconnectLater = (): void => {
    timer?.[Symbol.dispose]();
    const longestMs = Math.min(DEFAULTS.longestReconnectMs, DEFAULTS.firstReconnectMs * 2 ** failures);
    failures = Math.min(failures + 1, 16);
    // Full jitter: many servers lose a database at the same moment.
    timer = systemClock.setTimer(
      () => {
        if (closed) return;
        const attempt = connect();
        client = attempt;
        attempt.then(() => {
          for (const callbacks of channels.values()) for (const callback of callbacks) callback(undefined);
        }, reconnectLater);
      },
      Math.ceil(longestMs * Math.random()),
    );
  };
  return {
    async listen(channel, onNotification) {
      const callbacks = channels.get(channel) ?? new Set();
      const isNew = callbacks.size === 0;
      callbacks.add(onNotification);
      channels.set(channel, callbacks);
      if (client === undefined) {
        client = connect();
        try {
          await client;
        } catch (error) {
          client = undefined;
          callbacks.delete(onNotification);
          throw toDatabaseError(error);
        }
      } else if (isNew) {
        // Should the connection be down, the next one subscribes to every channel and says that something was missed.
        const connected = await client.catch(() => undefined);
        await connected?.query(`LISTEN "${channel}"`).catch(() => {});
      }
      return {
        [Symbol.asyncDispose]: async () => {
          // The channel stays subscribed: there are few, and a callback may come back any time.
          callbacks.delete(onNotification);
        },
      };
    },
    async close() {
      closed = true;
      timer?.[Symbol.dispose]();
      const connected = await client?.catch(() => undefined);
      await connected?.end().catch(() => {});
    },
  };
}
