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
  const isUpstream = error.isWireError || isMadeOfStatus(error) || error.cause instanceof TokenSourceError;
  if (!isUpstream) return error;
  return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
}

/**
 * What Connect makes of an answer that is none of its own, as a proxy or gateway gives it: it is not marked as coming from
 * the wire, and has all headers of the answer, the challenge among them.
 */
function isMadeOfStatus({ rawMessage, metadata }: ConnectError): boolean {
  return /^HTTP \d{3}$/.test(rawMessage) || metadata.has("grpc-message");
}
