import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";

/** Sends bytes as they are to a server on the loopback interface, and gives what it answers until it closes. */
export function exchangeRaw(port: number, request: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      answer += text;
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
    socket.write(request);
  });
}

/** Writes an HTTP/1.x request from its lines, without a body and asking the server to close. */
export function formatHttp1Request(path: string, lines: readonly string[], version = "1.1"): string {
  const fixed = [`POST ${path} HTTP/${version}`, "content-type: application/json", "content-length: 2"];
  return `${[...fixed, "connection: close", ...lines].join("\r\n")}\r\n\r\n{}`;
}

/**
 * Sends a long body over HTTP/1.1, chunk by chunk, until the server answers and closes.
 *
 * @param contentType - Of the body; default: the one of unary messages.
 */
export function floodHttp1(
  port: number,
  path: string,
  bytes: number,
  contentType = "application/proto",
  method = "POST",
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    let left = bytes;
    const chunk = Buffer.alloc(64 * 1024);
    const write = (): void => {
      while (left > 0 && !socket.destroyed) {
        left -= chunk.length;
        if (!socket.write(chunk)) return;
      }
    };
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      answer += text;
    });
    socket.on("drain", write);
    // The server closes while we still write.
    socket.on("error", () => {});
    socket.on("close", () => (answer === "" ? reject(new Error("no answer")) : resolve(answer)));
    const head = [`${method} ${path} HTTP/1.1`, "host: service.test", `content-type: ${contentType}`];
    socket.write(`${[...head, `content-length: ${bytes}`].join("\r\n")}\r\n\r\n`);
    write();
  });
}

/**
 * Posts a body of `length` bytes over HTTP/2, made of `chunk` over and over, until the server answers.
 *
 * @returns The status of the answer.
 */
export function postHttp2(
  url: string,
  length: number,
  chunk: Buffer,
  headers: Record<string, string> = {},
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const { origin, pathname } = new URL(url);
    const session = connectHttp2(origin);
    session.on("error", reject);
    const request = session.request({
      ":method": "POST",
      ":path": pathname,
      "content-type": "application/proto",
      "content-length": length,
      ...headers,
    });
    let left = length;
    const write = (): void => {
      while (left > 0 && !request.destroyed) {
        left -= chunk.length;
        if (!request.write(chunk)) return;
      }
    };
    request.on("drain", write);
    request.on("error", reject);
    request.on("response", (response) => {
      resolve(response[":status"]);
      session.destroy();
    });
    write();
  });
}

/**
 * Sends one HTTP/2 request with these headers as they are and no body.
 *
 * @returns The status of the answer if it is one of those with an entry in the static table of HPACK (200, 204, 206,
 * 304, 400, 404, 500); 0 for another, -1 when the stream is reset.
 */
export function exchangeRawHttp2(port: number, headers: readonly (readonly [string, string])[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, "127.0.0.1");
    let received = Buffer.alloc(0);
    const finish = (status: number): void => {
      resolve(status);
      socket.destroy();
    };
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the server closed the connection")));
    socket.on("data", (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      while (received.length >= 9) {
        const length = received.readUIntBE(0, 3);
        if (received.length < 9 + length) return;
        const type = received[3];
        const payload = received.subarray(9, 9 + length);
        received = received.subarray(9 + length);
        if (type === 1) finish(STATIC_STATUSES.get(payload[0] ?? 0) ?? 0);
        else if (type === 3) finish(-1);
      }
    });
    const block = Buffer.concat(headers.map(([name, value]) => formatLiteral(name, value)));
    // RFC 9113 section 3.4: preface and SETTINGS; flags END_STREAM and END_HEADERS.
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    socket.write(Buffer.concat([formatFrame(4, 0, 0, Buffer.alloc(0)), formatFrame(1, 0x05, 1, block)]));
  });
}

// RFC 7541 appendix A: indexed fields for ":status".
const STATIC_STATUSES = new Map([
  [0x88, 200],
  [0x89, 204],
  [0x8a, 206],
  [0x8b, 304],
  [0x8c, 400],
  [0x8d, 404],
  [0x8e, 500],
]);

/** RFC 7541 section 6.2.2: a literal without indexing, name and value as plain text. */
function formatLiteral(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0]), formatText(name), formatText(value)]);
}

/** RFC 7541 sections 5.1 and 5.2: a length with a prefix of 7 bits, and the bytes without Huffman coding. */
function formatText(text: string): Buffer {
  const length: number[] = [];
  if (text.length < 127) length.push(text.length);
  else {
    length.push(127);
    let left = text.length - 127;
    for (; left >= 128; left = left >> 7) length.push((left & 127) | 128);
    length.push(left);
  }
  return Buffer.concat([Buffer.from(length), Buffer.from(text, "latin1")]);
}

function formatFrame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
