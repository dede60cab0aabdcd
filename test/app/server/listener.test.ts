import { once } from "node:events";
import { Agent, get, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { type Listener, listen } from "../../../src/app/server/listener.js";

async function open(): Promise<Listener & AsyncDisposable> {
  const listener = await listen({ host: "127.0.0.1", port: 0, tls: undefined });
  return { ...listener, [Symbol.asyncDispose]: () => listener.close(0) };
}

async function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  return socket;
}

describe("listen()", () => {
  it("answers 503 until it is told what to answer", async () => {
    await using listener = await open();
    expect((await fetch(listener.url)).status).toBe(503);
    listener.use((_request, response) => void response.end("hello"));
    expect(await (await fetch(listener.url)).text()).toBe("hello");
  });

  it("says which port is taken", async () => {
    await using listener = await open();
    const port = Number(new URL(listener.url).port);
    await expect(listen({ host: "127.0.0.1", port, tls: undefined })).rejects.toMatchObject({
      name: "ConfigError",
      message: `cannot listen on 127.0.0.1 port ${port}: the port is in use by another process: choose another one with --port`,
    });
  });

  it("says which address is not of this machine", async () => {
    await expect(listen({ host: "192.0.2.1", port: 0, tls: undefined })).rejects.toMatchObject({
      message: expect.stringContaining("not one of this machine"),
    });
  });

  it("L1: refuses an unusable certificate, and shows nothing of the key", async () => {
    const tls = { cert: "no certificate", key: "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----" };
    const error = await listen({ host: "127.0.0.1", port: 0, tls }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "ConfigError", code: "ERR_CONFIG_INVALID" });
    expect((error as Error).message).toBe("the TLS certificate and private key cannot be used");
  });

  it("waits for requests under way when it closes, and takes no new ones", async () => {
    await using listener = await open();
    const arrived = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    listener.use(async (_request, response) => {
      arrived.resolve();
      await finish.promise;
      response.end("done");
    });
    const agent = new Agent({ keepAlive: true });
    const answer = new Promise<IncomingMessage>((resolve) => {
      get(listener.url, { agent }, resolve);
    });
    await arrived.promise;
    const closed = listener.close(60_000);
    await expect(fetch(listener.url)).rejects.toThrow();
    finish.resolve();
    const [body] = (await once(await answer, "data")) as [Buffer];
    expect(body.toString()).toBe("done");
    await closed;
    agent.destroy();
  });

  it("cuts requests that do not end within the grace", async () => {
    await using listener = await open();
    listener.use(() => {});
    const socket = await openSocket(listener.url);
    socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    socket.on("error", () => {});
    const cut = once(socket, "close");
    await listener.close(20);
    await cut;
  });
});
