import { closeGently, type HttpSocket } from "./lingering-close.js";

/** The part of a Node.js request that is looked at; requests of HTTP/1 and HTTP/2 have it both. */
interface NodeRequest {
  readonly httpVersionMajor: number;
  readonly headers: {
    readonly "content-length"?: string | undefined;
    readonly "transfer-encoding"?: string | undefined;
  };
  readonly socket: HttpSocket;
}

/** The part of a Node.js response that is used. */
interface NodeResponse {
  writeHead(status: number, headers?: Record<string, string>): unknown;
  end(): unknown;
}

/**
 * Answers 404, as the adapter for Node.js does where it knows no such path, and closes the connection of an HTTP/1.x
 * request that has a body.
 *
 * No gate is asked about such a request. Node would read and drop its body to the end, however long it is.
 */
export function answerNotFound(request: NodeRequest, response: NodeResponse): void {
  if (request.httpVersionMajor < 2 && hasBody(request)) {
    closeGently(request.socket);
    response.writeHead(404, { connection: "close" });
  } else {
    response.writeHead(404);
  }
  response.end();
}

/** RFC 9112 section 6.3: without either header there is no body. */
function hasBody({ headers }: NodeRequest): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}
