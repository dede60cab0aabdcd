import type { ConnectRouter } from "@connectrpc/connect";
import { closeGently, type HttpSocket } from "./lingering-close.js";
import { requestMarksKey } from "./request-marks.js";

/** What an adapter calls with a request to one method. */
export type UniversalHandler = ConnectRouter["handlers"][number];

type UniversalHandlerFn = (...parameters: Parameters<UniversalHandler>) => ReturnType<UniversalHandler>;

/**
 * Makes a handler close the connection, over HTTP/1.x, of a request that Connect itself turns away by method or type.
 *
 * No gate is asked about such a request. Node would read and drop its body to the end, however long it is.
 */
export function closeOnUnreadBody(handler: UniversalHandler): UniversalHandler {
  const closing: UniversalHandlerFn = (request) => {
    const socket = request.contextValues?.get(requestMarksKey)?.http1Socket;
    return socket === undefined ? handler(request) : handleAndClose(handler, request, socket);
  };
  return Object.assign(closing, handler);
}

async function handleAndClose(
  handler: UniversalHandler,
  request: Parameters<UniversalHandler>[0],
  socket: HttpSocket,
): ReturnType<UniversalHandler> {
  const response = await handler(request);
  // All other answers have a body: these are 405, 415 and 505.
  if (response.body !== undefined) return response;
  closeGently(socket);
  const header = new Headers(response.header);
  header.set("connection", "close");
  return { ...response, header };
}
