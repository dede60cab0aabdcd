import { Code, ConnectError } from "@connectrpc/connect";
import { explainAuthError } from "../../client/explain-auth-error.js";

export { isTokenExpired } from "../../client/refusal.js";

/** Tells whether the same call may succeed later: the server is away, busy or restarting, or the connection broke. */
export function isTransient(error: unknown): boolean {
  const refusal = ConnectError.from(error);
  const { code } = refusal;
  // A quota is exhausted for good, the gate's queue only for a moment.
  if (code === Code.ResourceExhausted) return explainAuthError(refusal)?.action === "wait";
  if (code === Code.Unavailable || code === Code.Aborted || code === Code.DeadlineExceeded) return true;
  // A connection that ends under a call, as when a server stops, comes as "internal" or "unknown"; the server did not
  // say so.
  return isConnectionError(refusal.cause);
}

/** Tells whether an error is one of the network or of an HTTP connection. */
export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return /^(E(CONN|PIPE|NOTFOUND|AI_|HOST|NET|TIMEDOUT)|ERR_HTTP2_|ERR_STREAM_)/.test(String(error.code));
}

/** Tells whether the lease that the call named is not held any more. */
export function isLeaseLost(error: unknown): boolean {
  const { code } = ConnectError.from(error);
  return code === Code.FailedPrecondition || code === Code.NotFound;
}
