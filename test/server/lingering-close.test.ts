import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { afterEach, describe, expect, it, vi } from "vitest";
import { EchoService } from "#gen/latchkey/testing/v1/testing_pb.js";
import { closeGently, type HttpSocket } from "../../src/server/lingering-close.js";
import { createTestIssuer } from "../../src/testing/test-issuer.js";
import { createEchoService } from "../support/echo-service.js";
import { startRpcServer } from "../support/rpc-server.js";
import { createAuthFor } from "../support/server-auth.js";

/** A socket as far as it is looked at, which tells what was done to it. */
function createSocket(): HttpSocket & EventEmitter & { readonly done: string[] } {
  const done: string[] = [];
  const emitter = new EventEmitter();
  const socket = Object.assign(emitter, {
    done,
    destroySoon: () => void done.push("destroySoon"),
    destroy: () => {
      done.push("destroy");
      emitter.emit("close");
    },
    end: () => void done.push("end"),
    pause: () => void done.push("pause"),
  });
  return socket as unknown as HttpSocket & EventEmitter & { readonly done: string[] };
}

describe("closeGently()", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("lets a refused caller read the answer while its request is still on the way", async () => {
    const issuer = await createTestIssuer();
    await using auth = createAuthFor(issuer);
    const { routes } = createEchoService();
    await using server = await startRpcServer("1.1", auth.protect({ routes }));
    const client = createClient(EchoService, server.transport("connect"));
    const refusals = new Map<string, number>();
    for (let call = 0; call < 300; call++) {
      const error = await client.unary({ orgId: "acme", text: "x".repeat(16_000) }).catch(ConnectError.from);
      const answer = error instanceof ConnectError ? Code[error.code] : "answered";
      refusals.set(answer, (refusals.get(answer) ?? 0) + 1);
    }
    expect([...refusals]).toEqual([["Unauthenticated", 300]]);
  });

  it("G9: takes what a peer sends after the answer, and no more than a little of it", async () => {
    const served = Promise.withResolvers<Socket>();
    const server = createServer((request, response) => {
      served.resolve(request.socket);
      closeGently(request.socket);
      response.writeHead(401, { connection: "close" });
      response.end("refused");
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const socket = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
    let failed = false;
    socket.on("error", () => {
      failed = true;
    });
    socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 50000000\r\n\r\n");
    const [first] = (await once(socket, "data")) as [Buffer];
    expect(first.toString()).toMatch(/^HTTP\/1\.1 401 /);
    // At a closed socket this would be answered with a reset.
    await new Promise<void>((resolve, reject) => {
      socket.write(Buffer.alloc(1_000), (error) => (error ? reject(error) : resolve()));
    });
    expect(failed).toBe(false);
    socket.write(Buffer.alloc(20_000_000));
    const { bytesRead } = await once(await served.promise, "close").then(() => served.promise);
    expect(bytesRead).toBeGreaterThan(1_000);
    expect(bytesRead).toBeLessThan(1_000_000);
    socket.destroy();
    server.close();
  });

  it("stops reading after 64 KB, and cuts a peer that stays after a second", () => {
    vi.useFakeTimers();
    const socket = createSocket();
    closeGently(socket);
    socket.destroySoon();
    socket.emit("data", new Uint8Array(60 * 1024));
    expect(socket.done).toEqual(["end"]);
    socket.emit("data", new Uint8Array(4 * 1024));
    expect(socket.done).toEqual(["end", "pause"]);
    vi.advanceTimersByTime(1_000);
    expect(socket.done).toEqual(["end", "pause", "destroy"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leaves no timer behind when the peer closes first", () => {
    vi.useFakeTimers();
    const socket = createSocket();
    closeGently(socket);
    socket.destroySoon();
    socket.emit("close");
    expect(vi.getTimerCount()).toBe(0);
  });
});
