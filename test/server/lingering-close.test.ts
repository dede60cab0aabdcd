import { EventEmitter, once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
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

  it("G9: takes what a refused caller sends after the answer, and no more than a little of it", async () => {
    const issuer = await createTestIssuer();
    await using auth = createAuthFor(issuer);
    const { routes } = createEchoService();
    await using server = await startRpcServer("1.1", auth.protect({ routes }));
    const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    let failed = false;
    socket.on("error", () => {
      failed = true;
    });
    const head = [
      "POST /latchkey.testing.v1.EchoService/Unary HTTP/1.1",
      "host: a.test",
      "content-type: application/proto",
    ];
    socket.write(`${head.join("\r\n")}\r\ncontent-length: 50000000\r\n\r\n`);
    const [first] = (await once(socket, "data")) as [Buffer];
    expect(first.toString()).toMatch(/^HTTP\/1\.1 401 /);
    // At a closed socket this would be answered with a reset, which clients report instead of the answer.
    await new Promise<void>((resolve, reject) => {
      socket.write(Buffer.alloc(1_000), (error) => (error ? reject(error) : resolve()));
    });
    expect(failed).toBe(false);
    socket.write(Buffer.alloc(20_000_000));
    // Cut in the end, with what was left unread: an error, which `once` would fail with.
    await new Promise((resolve) => socket.once("close", resolve));
    expect(server.bytesTaken()).toBeGreaterThan(1_000);
    expect(server.bytesTaken()).toBeLessThan(1_000_000);
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
