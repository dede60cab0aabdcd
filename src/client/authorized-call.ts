import {
  Code,
  ConnectError,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { toUnsentError } from "../connect-errors.js";
import type { Clock } from "../lib/clock.js";
import type { Telemetry } from "../telemetry/telemetry.js";
import type { Token, TokenRequest } from "../token/token.js";
import { bufferRequest } from "./buffered-request.js";
import type { CachedTokenSource, PeekToken } from "./cached-tokens.js";
import { openGuarded } from "./guarded-response.js";
import { isIdempotent, type Refusal, readRefusal } from "./refusal.js";

/** What a call needs to obtain its tokens. */
export interface CallContext {
  readonly tokens: CachedTokenSource;
  /** Gives the token in hand, of those. */
  readonly peek: PeekToken;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** The token that is wanted; its signal is the call's. */
  readonly wanted: TokenRequest;
  /** Sent along with the token. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

type Next = ReturnType<Interceptor>;

// Writing it anew costs an allocation as long as the token with each call.
const headerValues = new WeakMap<Token, string>();

/** Makes a unary call with a token, twice if the first was refused before the handler. */
export async function callUnary(context: CallContext, req: UnaryRequest, next: Next): Promise<UnaryResponse> {
  const token = peekToken(context) ?? (await obtainToken(context.tokens, context.wanted));
  const send = (sent: Token): Promise<UnaryResponse> => attempt(context, sent, req, next) as Promise<UnaryResponse>;
  try {
    return await send(token);
  } catch (error) {
    const mayRepeat = (refusal: Refusal): boolean => refusal === "before handler" || isIdempotent(req.method);
    const other = await replaceToken(context, token, error, mayRepeat);
    if (other === undefined) throw error;
    return send(other);
  }
}

/**
 * Makes a streaming call with a token. A server stream that is refused before the handler is made again, whether the
 * refusal comes instead of the response or instead of its first message.
 */
export async function callStream(context: CallContext, req: StreamRequest, next: Next): Promise<StreamResponse> {
  const token = peekToken(context) ?? (await obtainToken(context.tokens, context.wanted));
  const isServerStream = req.method.methodKind === "server_streaming";
  const request = isServerStream ? { ...req, message: bufferRequest(req.message) } : req;
  const send = (sent: Token): Promise<StreamResponse> =>
    attempt(context, sent, request, next) as Promise<StreamResponse>;

  const mayRepeat = (refusal: Refusal): boolean => {
    if (!isServerStream) return false;
    if (isIdempotent(req.method)) return true;
    // A stream that ran until its token expired looks the same as one that was turned away.
    return refusal === "before handler" && context.clock.nowMs() < token.expiresAtMs;
  };
  let current = token;
  const reopen = async (error: unknown): Promise<StreamResponse | undefined> => {
    const other = await replaceToken(context, token, error, mayRepeat);
    if (other === undefined) return undefined;
    current = other;
    return send(other);
  };
  const failed = (error: unknown): void => noteRefusal(context, current, error);

  return openGuarded(() => send(token), isServerStream ? { failed, reopen } : { failed });
}

async function attempt(
  context: CallContext,
  token: Token,
  req: UnaryRequest | StreamRequest,
  next: Next,
): Promise<UnaryResponse | StreamResponse> {
  // A copy: an interceptor around this one that makes the call again must find no header that looks like its caller's.
  const header = new Headers(req.header);
  header.set("authorization", headerValueOf(token));
  for (const [name, value] of context.headers) header.set(name, value);
  try {
    return await next({ ...req, header });
  } catch (error) {
    noteRefusal(context, token, error);
    throw error;
  }
}

function headerValueOf(token: Token): string {
  let value = headerValues.get(token);
  if (value === undefined) {
    value = `Bearer ${token.value}`;
    headerValues.set(token, value);
  }
  return value;
}

/** The next call shall have another token, whatever becomes of this one. */
function noteRefusal({ tokens }: CallContext, token: Token, error: unknown): void {
  const refusal = readRefusal(error);
  if (refusal !== undefined && refusal !== "final") tokens.invalidate(token.value);
}

/** Gives the token to repeat a refused call with; undefined when the refusal stands. */
async function replaceToken(
  { tokens, telemetry, wanted }: CallContext,
  token: Token,
  error: unknown,
  mayRepeat: (refusal: Refusal) => boolean,
): Promise<Token | undefined> {
  const refusal = readRefusal(error);
  if (refusal === undefined || refusal === "final" || !mayRepeat(refusal)) return undefined;
  let other: Token;
  try {
    other = await obtainToken(tokens, { ...wanted, rejected: token.value });
  } catch (failure) {
    if (wanted.signal.aborted) throw failure;
    // The server's refusal says more than that there is no second token.
    return undefined;
  }
  if (other.value === token.value) return undefined;
  telemetry.count("latchkey.client.call_retries");
  return other;
}

function peekToken({ peek, wanted }: CallContext): Token | undefined {
  try {
    return peek(wanted);
  } catch {
    // Whoever asks properly is told what is wrong.
    return undefined;
  }
}

async function obtainToken(tokens: CachedTokenSource, wanted: TokenRequest): Promise<Token> {
  try {
    return await tokens.getToken(wanted);
  } catch (error) {
    if (!wanted.signal.aborted) throw toUnsentError(error);
    // A deadline's reason is a ConnectError already; any other abort is the caller's.
    throw ConnectError.from(wanted.signal.reason, Code.Canceled);
  }
}
