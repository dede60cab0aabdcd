import type { HandlerContext } from "@connectrpc/connect";
import type { Admissions } from "./admission.js";
import { closeGently } from "./lingering-close.js";
import { requestMarksKey } from "./request-marks.js";

/** What Connect calls once the headers of a request are there, and before anything of its body is read. */
export type Gate = (context: HandlerContext) => Promise<void>;

/** Creates the gate: refuses calls before their body is read, and puts the caller into the context values of others. */
export function createGate(admissions: Admissions): Gate {
  return async (context) => {
    const { method, requestHeader: header, requestMethod, values, signal, url } = context;
    try {
      await admissions.admit({ method, header, requestMethod, values, signal, url });
      const nonce = admissions.proofNonce(header);
      if (nonce !== undefined) context.responseHeader.set("dpop-nonce", nonce);
    } catch (error) {
      // Otherwise Node.js reads and drops the rest of the body to use the connection again. HTTP/2 resets the stream,
      // and RFC 9113 section 8.2.2 forbids the header there.
      const socket = values.get(requestMarksKey)?.http1Socket;
      if (socket !== undefined) {
        context.responseHeader.set("connection", "close");
        closeGently(socket);
      }
      throw error;
    }
  };
}
