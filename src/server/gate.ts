import type { HandlerContext } from "@connectrpc/connect";
import type { Admissions } from "./admission.js";
import { closeGently } from "./lingering-close.js";
import { requestMarksKey } from "./request-marks.js";

/**
 * What Connect calls once the headers of a request are there, and before anything of its body is read. Gives no promise
 * where nothing has to be waited for.
 */
export type Gate = (context: HandlerContext) => void | Promise<void>;

/** Creates the gate: refuses calls before their body is read, and puts the caller into the context values of others. */
export function createGate(admissions: Admissions): Gate {
  return (context) => {
    const { method, requestHeader: header, requestMethod, values, signal, url } = context;
    let admission: ReturnType<Admissions["admit"]>;
    try {
      admission = admissions.admit({ method, header, requestMethod, values, signal, url });
    } catch (error) {
      return turnAway(context, error);
    }
    // What needs a proof takes its time: no nonce is to be offered here.
    if (!(admission instanceof Promise)) return undefined;
    return admission.then(
      () => admissions.offerNonce(header, context.responseHeader),
      (error) => turnAway(context, error),
    );
  };
}

function turnAway({ values, responseHeader }: HandlerContext, error: unknown): never {
  // Otherwise Node.js reads and drops the rest of the body to use the connection again. HTTP/2 resets the stream, and RFC
  // 9113 section 8.2.2 forbids the header there.
  const socket = values.get(requestMarksKey)?.http1Socket;
  if (socket !== undefined) {
    responseHeader.set("connection", "close");
    closeGently(socket);
  }
  throw error;
}
