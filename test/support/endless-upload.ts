import { once } from "node:events";
import { request as requestHttp1 } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import type { Writable } from "node:stream";

const CHUNK = Buffer.alloc(64 * 1024);
const HEADERS = { "content-type": "application/proto" };

/**
 * Posts zeros without saying how many there will be, until the server answers.
 *
 * @param url - Of the method called.
 * @returns The status of the answer, as soon as its head is there; the connection is cut then.
 */
export async function uploadUntilAnswered(httpVersion: "1.1" | "2", url: string): Promise<number | undefined> {
  return httpVersion === "1.1" ? uploadHttp1(url) : uploadHttp2(url);
}

async function uploadHttp1(url: string): Promise<number | undefined> {
  const request = requestHttp1(url, { method: "POST", headers: HEADERS });
  fill(request);
  const [answer] = await once(request, "response");
  request.destroy();
  return answer.statusCode;
}

async function uploadHttp2(url: string): Promise<number | undefined> {
  const { origin, pathname } = new URL(url);
  const session = connectHttp2(origin);
  const request = session.request({ ":method": "POST", ":path": pathname, ...HEADERS });
  fill(request);
  const [answer] = await once(request, "response");
  session.destroy();
  return answer[":status"];
}

function fill(request: Writable): void {
  const write = (): void => {
    while (!request.destroyed && request.write(CHUNK)) {}
  };
  request.on("drain", write);
  // The server may end the connection while we still write.
  request.on("error", () => {});
  write();
}
