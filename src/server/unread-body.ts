import type { ConnectRouter } from "@connectrpc/connect";
import { closeGently } from "./lingering-close.js";
import { requestMarksKey } from "./request-marks.js";

/** What an adapter calls with a request to one method. */
export type UniversalHandler = ConnectRouter["handlers"][number];

/**
 * Makes a handler close the connection, over HTTP/1.x, of a request that Connect itself turns away by method or type.
 *
 * No gate is asked about such a request. Node would read and drop its body to the end, however long it is.
 */
export function closeOnUnreadBody(handler: UniversalHandler): UniversalHandler {
  const closing = async (request: Parameters<UniversalHandler>[0]): ReturnType<UniversalHandler> => {
    const response = await handler(request);
    // All other answers have a body: these are 405, 415 and 505.
    if (response.body !== undefined) return response;
    const socket = request.contextValues?.get(requestMarksKey)?.http1Socket;
    if (socket === undefined) return response;
    closeGently(socket);
    const header = new Headers(response.header);
    header.set("connection", "close");
    return { ...response, header };
  };
  return Object.assign(closing, handler);
}
