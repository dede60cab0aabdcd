import { Code, ConnectError } from "@connectrpc/connect";
import { type AuthFailure, explainAuthError } from "../../client/explain-auth-error.js";
import { AuthError, ConfigError } from "../../errors.js";
import { isConnectionError } from "./error-info.js";
import { toTerminalText } from "./terminal-text.js";

/** What a call was made with, as far as it helps to say what went wrong. */
export interface CallContext {
  readonly server: string;
  readonly credential: { readonly name: string; readonly roles: readonly string[] };
}

/** An error that says what to do, made from one of a call. */
export class CallFailedError extends Error {
  override readonly name = "CallFailedError";
}

/** Runs the calls of a command; what fails is told with the server and the credential it failed with. */
export async function explainingFailures<T>(context: CallContext, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    throw new CallFailedError(describeCallFailure(error, context), { cause: error });
  }
}

/** Gives the line to show for an error of a command, or undefined for one that is a mistake of ours. */
export function describeError(error: unknown): string | undefined {
  if (error instanceof CallFailedError || error instanceof AuthError) return error.message;
  return undefined;
}

function describeCallFailure(error: ConnectError, context: CallContext): string {
  const { server } = context;
  const failure = explainAuthError(error);
  if (failure?.origin === "token_source") {
    return `no token could be made with credential ${context.credential.name}: ${failure.message}`;
  }
  if (isConnectionError(error.cause)) {
    return `cannot reach the server at ${server}: start one with \`latchkey server\`, or name another one with --server`;
  }
  const tlsFailure = tlsFailureCode(error.cause);
  if (tlsFailure !== undefined) {
    return (
      `no secure connection to the server at ${server} (${tlsFailure}): it must speak TLS, with a certificate for this name; ` +
      `one that no public authority has signed is made known with NODE_EXTRA_CA_CERTS=FILE`
    );
  }
  if (failure !== undefined) return describeAuthFailure(failure, error, context);
  switch (error.code) {
    case Code.Unavailable:
    case Code.DeadlineExceeded:
      return `the server at ${server} is not available at present (${toTerminalText(error.rawMessage)}): try again later`;
    case Code.ResourceExhausted:
      return `the server at ${server} refused: ${toTerminalText(error.rawMessage)}`;
    default:
      return `the server refused: ${toTerminalText(error.rawMessage)}`;
  }
}

function describeAuthFailure(
  { action, reason, retryAfterMs }: AuthFailure,
  { rawMessage }: ConnectError,
  { server, credential: { name, roles } }: CallContext,
): string {
  switch (action) {
    case "retry":
      return `the server at ${server} refused the token of credential ${name} as expired: compare the clocks of the two machines`;
    case "ask_for_access": {
      // Said by the gate, or by the service about this one object.
      const text = reason === "ACCESS_DENIED" ? "" : ` (${toTerminalText(rawMessage)})`;
      const held = roles.length === 0 ? "no role that is known here" : `the role ${roles.join(", ")}`;
      return `credential ${name} may not do this${text}: it has ${held}. Use another one with --credential, or ask an admin`;
    }
    case "wait": {
      const when = retryAfterMs === undefined ? "later" : `in ${Math.ceil(retryAfterMs / 1_000)} s`;
      return `the server at ${server} cannot check tokens at present: try again ${when}`;
    }
    default:
      return (
        `the server at ${server} refused the token of credential ${name}: it may have been revoked, or changed on the server. ` +
        `An admin sees it in \`latchkey credentials list --remote\``
      );
  }
}

/** Gives OpenSSL's or Node's code for a TLS connection that was not made; undefined for every other error. */
function tlsFailureCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  const code = String(error.code);
  return /^(ERR_SSL_|ERR_TLS_|CERT_|UNABLE_TO_|(DEPTH_ZERO_)?SELF_SIGNED_CERT)/.test(code) ? code : undefined;
}

/** Makes the error for a mistake in how a command was called. */
export function usageError(message: string): ConfigError {
  return new ConfigError("ERR_CONFIG_INVALID", message);
}
