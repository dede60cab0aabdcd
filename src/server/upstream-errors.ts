import { Code, ConnectError } from "@connectrpc/connect";
import { TokenSourceError } from "../errors.js";

/**
 * Gives the error to answer for one that a handler let through.
 *
 * That a service behind this one did not accept our credentials says nothing about the caller's: passed on as
 * `unauthenticated`, it would make the caller throw away a good token and try again. It becomes `internal`, with what
 * happened as `cause`. Every other error stays as it is.
 */
export function hideUpstreamRefusal(error: unknown): unknown {
  if (!(error instanceof ConnectError) || error.code !== Code.Unauthenticated) return error;
  if (!error.isWireError && !(error.cause instanceof TokenSourceError)) return error;
  return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
}
