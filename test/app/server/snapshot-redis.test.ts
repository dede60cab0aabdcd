import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { createLogger } from "../../../src/app/server/logger.js";
import { openSnapshotRedis } from "../../../src/app/server/snapshot-redis.js";
import { createTextSink } from "../../support/cli.js";

/** Listens on a port of its own until the test ends. */
async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const open = async (url: string) => {
  const log = createTextSink();
  const redis = await openSnapshotRedis(url, createLogger(log, "info"));
  return { log, redis };
};

describe("openSnapshotRedis()", () => {
  it("I3: goes on without Redis, says so once and why, and fails what is asked of it", async () => {
    const { log, redis } = await open(`redis://user:hidden@127.0.0.1:${await freePort()}`);
    const { store } = redis;
    await expect(async () => store.get("key")).rejects.toThrow();
    await expect(async () => store.set("key", "text", 1_000)).rejects.toThrow();
    await expect(async () => store.delete("key")).rejects.toThrow();
    await redis[Symbol.asyncDispose]();
    expect(
      log.text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toMatchObject([{ level: 40, reason: "ECONNREFUSED" }]);
    expect(log.text).not.toContain("hidden");
  });

  it("I3: waits a second at most for one that never answers", async () => {
    const peers: unknown[] = [];
    const port = await listen(createServer((socket) => void peers.push(socket.on("error", () => {}))));
    const { log, redis } = await open(`redis://127.0.0.1:${port}`);
    expect(peers).toHaveLength(1);
    expect(log.text).toContain('"reason":"timeout"');
    await expect(async () => redis.store.get("key")).rejects.toThrow();
    await redis[Symbol.asyncDispose]();
  });

  it("names what Redis itself refuses with, and not the password", async () => {
    const port = await listen(
      createServer((socket) => {
        const refuse = (data: Buffer): void => {
          const commands = data.toString().match(/^\*\d+\r$/gm) ?? [];
          for (const _ of commands) socket.write("-WRONGPASS invalid username-password pair\r\n");
        };
        socket.on("error", () => {}).on("data", refuse);
      }),
    );
    const { log, redis } = await open(`redis://user:hidden@127.0.0.1:${port}`);
    await redis[Symbol.asyncDispose]();
    expect(log.text).toContain('"reason":"WRONGPASS"');
    expect(log.text).not.toContain("hidden");
  });

  it("closes once, and again without harm", async () => {
    const { redis } = await open(`redis://127.0.0.1:${await freePort()}`);
    await redis[Symbol.asyncDispose]();
    await redis[Symbol.asyncDispose]();
    await expect(async () => redis.store.get("key")).rejects.toThrow();
  });

  it("I6: refuses a URL that cannot be used, and shows nothing of it", async () => {
    const failure = await open("redis://user:hidden@127.0.0.1/database").catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "ERR_CONFIG_INVALID", message: "the Redis URL cannot be used" });
    // The client's own error holds the URL.
    expect(failure).not.toHaveProperty("cause");
  });
});
