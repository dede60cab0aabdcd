import type { Socket } from "node:net";

/** The part of the socket of an HTTP/1.x connection that is needed to close it gently. */
export type HttpSocket = Pick<Socket, "destroySoon" | "destroy" | "end" | "pause" | "on" | "once">;

const DEFAULTS = {
  /** How long the peer has to read the answer and close the connection. */
  lingerMs: 1_000,
  /** How much of what the peer still sends is read and dropped: small bodies arrive, large ones are left where they are. */
  maxDroppedBytes: 64 * 1024,
} satisfies Record<string, number>;

/**
 * Makes Node end a connection gently after an answer with `connection: close`.
 *
 * Such an answer goes out while the request body is still on its way: a call is refused by its headers alone.
 * Node would close the socket at once; what the peer then sends is met with a reset, and many clients, Connect's own
 * among them, report that instead of the answer. So the socket stays for a moment, until the peer has read the answer
 * and closes it.
 *
 * Spec: RFC 9112 section 9.6.
 */
export function closeGently(socket: HttpSocket): void {
  // Node's HTTP server calls this method, and nothing else does, once the last answer of a connection is written.
  socket.destroySoon = () => {
    // Tells the peer that nothing more comes; what it sends is still taken.
    socket.end();
    let leftBytes = DEFAULTS.maxDroppedBytes;
    // Listening takes the socket back from Node's parser, which would read on to the end of the body, paused or not.
    socket.on("data", (data: Uint8Array) => {
      leftBytes -= data.length;
      if (leftBytes <= 0) socket.pause();
    });
    const timer = setTimeout(() => socket.destroy(), DEFAULTS.lingerMs);
    socket.once("close", () => clearTimeout(timer));
  };
}
